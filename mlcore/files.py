"""Files to results, many at a time and in order: what ``manage.py detect`` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mlcore import imaging, overlay
from mlcore.contracts import (
    Basis,
    Classification,
    DetectedObject,
    Objects,
    Picture,
    Provenance,
    Skipped,
    Stability,
    Verdict,
)
from mlcore.decision import Decision, decide
from mlcore.errors import ImageRefused, MlcoreError, ObjectsUnavailable
from mlcore.objects import is_sure
from mlcore.stability import Scores, judge

BATCH = 32
BATCH_PIXELS = 64_000_000  # decoded pictures wait in memory, three bytes a pixel

Classify = Callable[[list[Picture]], list[Classification]]
Detect = Callable[[list[Picture]], list[Objects]]
Origin = Callable[[bytes, str], Provenance]  # bytes and name; an MlcoreError where it fails
Hold = Callable[[Picture], Scores]


@dataclass(frozen=True)
class Tools:
    """What is asked beside the classifier, and the thresholds that its number must pass.

    ``hold`` is asked where an answer rests on the pixels; with ``hold_all`` about every picture.
    """

    detect: Detect | None = None
    origin: Origin | None = None
    hold: Hold | None = None
    hold_all: bool = False
    thresholds: Mapping[str, float] = field(default_factory=lambda: {"fake": 0.5, "real": 0.5})


NOTHING_ELSE = Tools()


@dataclass(frozen=True)
class Refusal:
    """A file that could not be examined."""

    file: str
    code: str
    detail: str


@dataclass(frozen=True)
class Result:
    """A file that was. ``time_ms`` spans decoding to overlay, with its share of the batch's time."""

    file: str
    picture: Picture
    found: Classification
    decision: Decision
    origin: Provenance | Skipped | None  # None where nobody looked, here and below
    time_ms: float
    stability: Stability | None = None
    objects: Objects | Skipped | None = None
    overlay: Path | None = None

    @property
    def seen(self) -> tuple[DetectedObject, ...]:
        """All that the detector named, the surest first."""
        return self.objects.objects if isinstance(self.objects, Objects) else ()

    def is_sure(self, found: DetectedObject) -> bool:
        return is_sure(found.score, self.picture.image.size)

    @property
    def sure(self) -> tuple[DetectedObject, ...]:
        """Those that are told as there."""
        return tuple(each for each in self.seen if self.is_sure(each))

    @property
    def provenance(self) -> Provenance | None:
        return self.origin if isinstance(self.origin, Provenance) else None

    @property
    def by_pixels(self) -> bool:
        """Whether the answer rests on the pixels; otherwise no map of them explains it."""
        return self.decision.basis is Basis.PIXELS


@dataclass(frozen=True)
class _Opened:
    file: str
    picture: Picture
    origin: Provenance | Skipped | None
    time_ms: float


def check(
    files: Iterable[str],
    classify: Classify,
    tools: Tools = NOTHING_ELSE,
    out: Path | None = None,
    limits: imaging.Limits = imaging.DEFAULT_LIMITS,
) -> Iterator[Result | Refusal]:
    """Examine files in batches and yield one outcome for each, in the order given.

    Overlays are written into the folder ``out`` where one is given, for answers that rest on the pixels.

    Raises:
        OSError: ``out`` cannot be written to.
        MlcoreError: the model fails.
    """
    names = _Names(out) if out else None
    for batch in _batches(_open(file, tools.origin, limits) for file in files):
        yield from _examined(batch, classify, tools, names)


def _open(file: str, origin: Origin | None, limits: imaging.Limits) -> _Opened | Refusal:
    """Asks where the file comes from at once, so that no batch of whole files waits in memory."""
    start = time.perf_counter()
    try:
        data = _read(Path(file), limits)
        picture = imaging.examine(data, file, limits)
    except ImageRefused as error:
        return Refusal(file, error.code, str(error))
    found = _origin(data, file, origin) if origin else None
    return _Opened(file, picture, found, _since(start))


def _origin(data: bytes, file: str, origin: Origin) -> Provenance | Skipped:
    """A file whose notes cannot be read costs its own provenance, and no more."""
    try:
        return origin(data, file)
    except MlcoreError as error:
        return Skipped(str(error), "")


def _read(path: Path, limits: imaging.Limits) -> bytes:
    """The file's bytes, at most one more than the limit: enough for a refusal.

    Raises:
        ImageRefused: not_found, is_a_folder or unreadable.
    """
    try:
        if path.is_dir():
            raise ImageRefused(
                f"{path} is a folder. Name the files in it, as in {path}/*.", code="is_a_folder"
            )
        if path.exists() and not path.is_file():  # a pipe or a device might never end
            raise ImageRefused(f"{path} is not a regular file. Save it as one first.", code="unreadable")
        with path.open("rb") as file:
            return file.read(limits.bytes + 1)
    except FileNotFoundError as error:
        raise ImageRefused(f"{path} does not exist. Check its name.", code="not_found") from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ImageRefused(
            f"{path} cannot be read: {why}. Check its permissions.", code="unreadable"
        ) from error


def _batches(opened: Iterable[_Opened | Refusal]) -> Iterator[list[_Opened | Refusal]]:
    batch: list[_Opened | Refusal] = []
    pixels = 0
    for each in opened:
        batch.append(each)
        if isinstance(each, _Opened):
            pixels += each.picture.facts.width * each.picture.facts.height
        if len(batch) == BATCH or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _examined(
    batch: list[_Opened | Refusal], classify: Classify, tools: Tools, names: _Names | None
) -> Iterator[Result | Refusal]:
    start = time.perf_counter()
    pictures = [each.picture for each in batch if isinstance(each, _Opened)]
    found = iter(classify(pictures) if pictures else [])
    share = _since(start) / max(1, len(pictures))
    for each in batch:
        if isinstance(each, Refusal):
            yield each
        else:
            yield _completed(_decided(each, next(found), tools, share), tools.detect, names)


def _decided(opened: _Opened, found: Classification, tools: Tools, share: float) -> Result:
    start = time.perf_counter()
    provenance = opened.origin if isinstance(opened.origin, Provenance) else None
    decided = partial(decide, found.p_fake, tools.thresholds, found.gate, provenance)
    decision, stability = decided(), None
    needed = decision.basis is Basis.PIXELS and decision.verdict is not Verdict.UNCERTAIN
    if tools.hold and (needed or tools.hold_all):
        scores = tools.hold(opened.picture)
        stability = judge(found.p_fake, scores, tools.thresholds, found.model)
        decision = decided(stability)
    took = opened.time_ms + share + _since(start)
    return Result(opened.file, opened.picture, found, decision, opened.origin, took, stability)


def _completed(result: Result, detect: Detect | None, names: _Names | None) -> Result:
    start = time.perf_counter()
    objects = _objects(result.picture, detect) if detect else None
    path = names.take(result.file) if names and result.by_pixels else None
    result = replace(result, objects=objects, overlay=path)
    if path:
        image = overlay.compose(result.picture, result.found.heatmap, result.decision.verdict, result.sure)
        path.write_bytes(overlay.png(image))
    return replace(result, time_ms=result.time_ms + _since(start))


def _objects(picture: Picture, detect: Detect) -> Objects | Skipped:
    """One picture that the detector cannot take costs its own objects, and no more."""
    try:
        return detect([picture])[0]
    except ObjectsUnavailable as error:
        return Skipped(str(error), "")


class _Names:
    """Overlay paths in one folder: after the file, and never the same twice."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.taken = folder, set[str]()

    def take(self, file: str) -> Path:
        # A file system takes 255 bytes a name; some are left for the ending.
        stem = Path(file).name.encode(errors="surrogateescape")[:220].decode(errors="ignore")
        number, name = 1, f"{stem}.overlay.png"
        while name.lower() in self.taken:
            number += 1
            name = f"{stem}-{number}.overlay.png"
        self.taken.add(name.lower())
        return self.folder / name


def _since(start: float) -> float:
    return (time.perf_counter() - start) * 1000
