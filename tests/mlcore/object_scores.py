"""From which score on an object is there: ``python -m tests.mlcore.object_scores FOLDER``.

FOLDER holds pictures that say in their names what they show, as in EliSchwartz/imagenet-sample-images
(``n02119022_red_fox.JPEG``), and pictures without any animal in a folder ``landscapes`` below it.
They stay where they are measured. Animals are judged, for of those ImageNet's names tell what COCO's
would be; an animal of another kind than the name's counts as not there. YOLO_WEIGHTS as always.

Prints, by the longer side and by score: of the animals named in pictures of one that the detector
knows, the share that was right; of those pictures, the share where it was found; of the pictures of
an animal that it has no name for, and of those of none, the share where it named one all the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image, ImageOps

from mlcore.contracts import ImageFacts, Picture
from mlcore.objects import ObjectDetector

SIDES = (0, 256, 128, 64, 32)  # pixels; 0: as it is
SCORES = (0.25, 0.4, 0.5, 0.6, 0.7, 0.8)
# WordNet numbers of ImageNet's animals, by COCO's name; wild dogs are dogs, bison and buffalo are cows.
KNOWN = {
    "bird": [(1514668, 1622779), (1795545, 1860187), (2002556, 2058221)],
    "dog": [(2085620, 2117135)],
    "cat": [(2123045, 2124075)],
    "horse": [(2389026, 2389026)],
    "zebra": [(2391049, 2391049)],
    "cow": [(2403003, 2410509)],
    "sheep": [(2412080, 2417914)],
    "bear": [(2132136, 2134418), (2510455, 2510455)],
    "elephant": [(2504013, 2504458), (1871265, 1871265)],
    "giraffe": [],
}
ANIMALS = (1440764, 2514041)  # the first and the last number of an animal
Found = list[tuple[str, float]]


def kind(name: str) -> str | None:
    """COCO's animal of a file name; "" for another animal, None for none."""
    match = re.match(r"n(\d{8})_", name)
    number = int(match.group(1)) if match else 0
    for animal, ranges in KNOWN.items():
        if any(low <= number <= high for low, high in ranges):
            return animal
    return "" if ANIMALS[0] <= number <= ANIMALS[1] else None


def pictures(folder: Path) -> Iterator[tuple[str | None, Image.Image]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            with Image.open(path) as image:
                yield kind(path.name), ImageOps.exif_transpose(image).convert("RGB")


def seen(detector: ObjectDetector, image: Image.Image, side: int) -> Found:
    if side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    facts = ImageFacts("", "", 0, "", *image.size, "RGB", 1, 1)
    (found,) = detector.detect([Picture(image, facts)])
    return [(each.name, each.score) for each in found.objects if each.name in KNOWN]


def line(side: int, score: float, rows: Iterable[tuple[str | None, Found]]) -> str:
    named = [(what, [name for name, each in found if each >= score]) for what, found in rows]
    right = [name == what for what, names in named for name in names if what]
    known = [what in names for what, names in named if what]
    other, none = ([bool(names) for what, names in named if what == of] for of in ("", None))
    cells = [str(side or "as they are"), f"{score:g}", *map(_share, (right, known, other, none))]
    return f"| {' | '.join(cells)} |"


def _share(values: list[bool]) -> str:
    return f"{sum(values) / len(values):.1%} of {len(values)}" if values else "–"


def main(folder: Path) -> None:
    detector = ObjectDetector()
    rows: dict[int, list[tuple[str | None, Found]]] = {side: [] for side in SIDES}
    for what, image in pictures(folder):
        for side in SIDES:
            rows[side].append((what, seen(detector, image, side)))
    print("| longer side | score from | right | found | other animals named | named where none is |")
    print("| --- | --- | --- | --- | --- | --- |")
    for side in SIDES:
        for score in SCORES:
            print(line(side, score, rows[side]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
