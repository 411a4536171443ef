"""Pictures that the model does not know: how they are gathered, and what the gate says to them.

None of them is in the project. Unpack a few packages that carry pictures, each to its own
folder, then gather, then measure::

    mkdir -p P && cd P && apt-get download plasma-workspace-wallpapers gnome-backgrounds \\
        mate-backgrounds ukui-wallpapers lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 \\
        tuxpaint-stamps-default opencv-doc lxqt-themes khangman marble-data
    for f in *.deb; do dpkg -x $f x/${f%%_*}; done
    pip download --no-deps scikit-image && unzip -d x/scikit_image scikit_image*.whl
    python -m tests.mlcore.ood DIR --gather P/x
    python -m tests.mlcore.ood DIR

Licences are those of the packages (``usr/share/doc/*/copyright``: CC BY(-SA), CC0, GPL, BSD,
Apache); the pictures stay where they are measured.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcore import data, degrade, gate
from tests.cifake import ARCHIVE
from tests.mlcore import ood_pictures

Pixels = NDArray[np.uint8]
FITTED, JUDGED = 4000, 4000  # of CIFAKE's training part and of the report's
FILTERS = {f.name.lower(): f for f in Image.Resampling if f is not Image.Resampling.HAMMING}
PHOTOGRAPHS = ("crops", "scikit_image", "scikit-learn", "ultralytics")


def cifake(training: int, report: int) -> tuple[Pixels, Pixels]:
    """The first pictures of :func:`mlcore.data.parts`; only those are decoded."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(n for n in archive.namelist() if data.label_of(n) is not None and n[-1] != "/")
        hashes = [hashlib.blake2b(archive.read(name), digest_size=16).digest() for name in names]
        labels = np.array([data.label_of(name) for name in names], np.uint8)
        found = data.parts(data.Dataset(np.arange(len(names)), labels, np.array(hashes, "S16")))

        def decoded(numbers: NDArray[np.int64]) -> Pixels:
            files = (Image.open(io.BytesIO(archive.read(names[n]))) for n in numbers)
            return np.stack([np.asarray(file.convert("RGB")) for file in files])

        return decoded(found.training.images[:training]), decoded(found.report.images[:report])


def fitted(own: Pixels, seed: int = 0) -> dict[str, object]:
    """The gate as it is published: a quarter of the pictures degraded as in training."""
    rng, part = np.random.default_rng(seed), len(own) // 4
    return gate.fit(own[part:], degraded=[np.stack([degrade.at_random(each, rng) for each in own[:part]])])


def refused(keeper: gate.GateKeeper, pictures: Iterable[Image.Image]) -> tuple[int, float, float]:
    """(how many, share refused, share told to be enlarged)."""
    gates = [keeper.judge(each) for each in pictures]
    told = [bool(each.scores.get("enlarged_from")) for each in gates]
    return len(gates), float(np.mean([not each.in_domain for each in gates])), float(np.mean(told))


def images(pixels: Pixels, change: Callable[[Pixels], Pixels] = lambda p: p) -> Iterator[Image.Image]:
    return (Image.fromarray(change(each)) for each in pixels)


def rows(keeper: gate.GateKeeper, folder: Path, own: Pixels, step: int) -> Iterator[tuple]:
    """(what, n, refused, told to be enlarged), every ``step``-th picture of each source."""
    yield ("CIFAKE, untouched", *refused(keeper, images(own)))
    few = own[:300]
    for kind in degrade.DEGRADATIONS.values():
        for strength in kind.strengths:
            change = lambda p, kind=kind, strength=strength: kind.apply(p, strength)  # noqa: E731
            yield (f"CIFAKE, {kind.label.format(strength)}", *refused(keeper, images(few, change)))
    yield ("CIFAKE, flipped", *refused(keeper, images(few[:, :, ::-1].copy())))
    for cut in (1, 2, 4):
        yield (f"CIFAKE, {cut} px cropped off", *refused(keeper, images(few[:, cut:, cut:])))
    yield from _enlarged(keeper, own[:12])
    for source in sorted(each for each in folder.iterdir() if each.is_dir()):
        paths = sorted(source.iterdir())[::step]
        yield (source.name, *refused(keeper, map(ood_pictures.opened, paths)))
    yield from _reduced(keeper, folder, step)


def _enlarged(keeper: gate.GateKeeper, own: Pixels) -> Iterator[tuple]:
    for times in (2, 4, 8, 16):
        for name in ("nearest", "bilinear", "bicubic", "lanczos"):
            side = (32 * times, 32 * times)
            yield (f"×{times} {name}", *refused(keeper, (i.resize(side, FILTERS[name]) for i in images(own))))


def _reduced(keeper: gate.GateKeeper, folder: Path, step: int) -> Iterator[tuple]:
    """Photographs cut square, made 32 px; and our renders, made so or drawn at 32 px."""
    paths = [p for name in PHOTOGRAPHS for p in sorted((folder / name).glob("*"))[::step]]
    squares = [_square(ood_pictures.opened(path)) for path in paths]
    for name, resample in FILTERS.items():
        small = np.stack([np.asarray(each.resize((32, 32), resample)) for each in squares])
        yield (f"reduced to 32, {name}", *refused(keeper, images(small)))
        saved = lambda p: degrade.jpeg(p, 75)  # noqa: E731
        yield (f"reduced to 32, {name}, JPEG 75", *refused(keeper, images(small, saved)))
    rng = np.random.default_rng(2)
    for kind in ood_pictures.RENDERS[:4]:
        yield (f"{kind.__name__} at 32", *refused(keeper, (kind((32, 32), rng) for _ in range(100))))


def _square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--gather", type=Path, metavar="UNPACKED", help="fill the folder from here, then stop"
    )
    parser.add_argument("--gate", type=Path, metavar="CARD.JSON", help="a model's gate; else one is fitted")
    parser.add_argument("--step", type=int, default=1, help="take every n-th picture")
    chosen = parser.parse_args()
    if chosen.gather:
        return ood_pictures.gather(chosen.gather, chosen.folder)
    training, report = cifake(FITTED, JUDGED)
    parameters = json.loads(chosen.gate.read_text())["gate"] if chosen.gate else fitted(training)
    print("| pictures | n | refused | told to be enlarged |\n| --- | ---: | ---: | ---: |")
    for what, n, share, told in rows(gate.GateKeeper(parameters), chosen.folder, report, chosen.step):
        print(f"| {what} | {n:,} | {share:.1%} | {told:.0%} |", flush=True)
    return None


if __name__ == "__main__":
    main()
