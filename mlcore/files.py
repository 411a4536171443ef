"""Files to results, many at a time and in order: what ``manage.py detect`` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlcore import imaging, overlay
from mlcore.contracts import Classification, DetectedObject, Objects, Picture, Skipped
from mlcore.errors import ImageRefused, ObjectsUnavailable

BATCH = 32
BATCH_PIXELS = 64_000_000  # decoded pictures wait in memory, three bytes a pixel

Classify = Callable[[list[Picture]], list[Classification]]
Detect = Callable[[list[Picture]], list[Objects]]


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
    objects: Objects | Skipped | None  # None where nobody looked
    overlay: Path | None
    time_ms: float

    @property
    def shown(self) -> tuple[DetectedObject, ...]:
        return self.objects.objects if isinstance(self.objects, Objects) else ()


@dataclass(frozen=True)
class _Opened:
    file: str
    picture: Picture
    time_ms: float


def check(
    files: Iterable[str],
    classify: Classify,
    detect: Detect | None = None,
    out: Path | None = None,
    limits: imaging.Limits = imaging.DEFAULT_LIMITS,
) -> Iterator[Result | Refusal]:
    """Examine files in batches and yield one outcome for each, in the order given.

    Overlays are written into the folder ``out`` where one is given.

    Raises:
        OSError: ``out`` cannot be written to.
        MlcoreError: the model fails.
    """
    names = _Names(out) if out else None
    for batch in _batches(_open(file, limits) for file in files):
        yield from _examined(batch, classify, detect, names)


def _open(file: str, limits: imaging.Limits) -> _Opened | Refusal:
    start = time.perf_counter()
    try:
        picture = imaging.examine(_read(Path(file), limits), file, limits)
    except ImageRefused as error:
        return Refusal(file, error.code, str(error))
    return _Opened(file, picture, _since(start))


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
    batch: list[_Opened | Refusal], classify: Classify, detect: Detect | None, names: _Names | None
) -> Iterator[Result | Refusal]:
    start = time.perf_counter()
    pictures = [each.picture for each in batch if isinstance(each, _Opened)]
    found = iter(classify(pictures) if pictures else [])
    share = _since(start) / max(1, len(pictures))
    for each in batch:
        if isinstance(each, Refusal):
            yield each
        else:
            classified = Result(each.file, each.picture, next(found), None, None, each.time_ms + share)
            yield _completed(classified, detect, names)


def _completed(result: Result, detect: Detect | None, names: _Names | None) -> Result:
    start = time.perf_counter()
    objects = _objects(result.picture, detect) if detect else None
    path = names.take(result.file) if names else None
    result = replace(result, objects=objects, overlay=path)
    if path:
        found = result.found
        image = overlay.compose(result.picture, found.heatmap, found.verdict, result.shown)
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
