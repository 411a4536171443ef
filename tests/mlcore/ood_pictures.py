"""Pictures of our own and from packages that no CIFAKE model knows; see :mod:`tests.mlcore.ood`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
FIGURES = ("/html/", "/HTML/", "/icons/", "/qml/")  # diagrams and screenshots, not photographs
SITE = Path(np.__file__).parents[1]  # site-packages
SHIPPED = {"scikit-learn": "sklearn/datasets/images", "ultralytics": "ultralytics/assets"}
LARGEST, SMALLEST = 50_000_000, 200  # pixels in all, pixels a side
CROPS = 8  # of each photograph with a shorter side of a thousand pixels


def gather(packages: Path, to: Path) -> None:
    """Copy what the packages carry to ``to``/SOURCE, then add crops and renders of our own."""
    roots = {each.name: each for each in sorted(packages.iterdir())}
    roots |= {name: SITE / part for name, part in SHIPPED.items()}
    seen: set[bytes] = set()
    for name, root in roots.items():
        for path in _files(root):
            folder = to / (f"{name}-figures" if any(f in str(path) for f in FIGURES) else name)
            _copy(path, folder, seen)
    _crops(to)
    _renders(to / "renders")


def _files(root: Path) -> Iterator[Path]:
    """Pictures, and of several sizes of one picture only the largest."""
    largest: dict[tuple[str, ...], Path] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink():
            sized = path.stem[:1].isdigit() and "x" in path.stem  # KDE: 1920x1080.jpg
            key = (str(path.parent),) if sized else (str(path.parent), path.name)
            largest[key] = max(path, largest.get(key, path), key=lambda p: p.stat().st_size)
    yield from largest.values()


def _copy(path: Path, folder: Path, seen: set[bytes]) -> None:
    data = path.read_bytes()
    digest = hashlib.blake2b(data, digest_size=16).digest()
    try:
        with Image.open(path) as image:
            usable = min(image.size) >= SMALLEST and image.width * image.height <= LARGEST
    except OSError:
        return
    if usable and digest not in seen:
        seen.add(digest)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{digest.hex()[:8]}-{path.name}").write_bytes(data)


def opened(path: Path) -> Image.Image:
    """Upright RGB on white, as intake would make it."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")


def _crops(to: Path) -> None:
    """Parts of 256 to 1024 px of the large photographs and backgrounds, at random places."""
    rng = np.random.default_rng(0)
    sources = [f for f in sorted(to.iterdir()) if not f.name.endswith(("-figures", "crops", "renders"))]
    for path in (p for folder in sources for p in sorted(folder.iterdir())):
        with Image.open(path) as image:
            if min(image.size) < 1000:
                continue
        whole = opened(path)
        folder = to / "crops"
        folder.mkdir(exist_ok=True)
        for number in range(CROPS):
            w, h = rng.integers(256, 1000, 2).tolist()
            left, top = int(rng.integers(whole.width - w)), int(rng.integers(whole.height - h))
            part = whole.crop((left, top, left + w, top + h))
            part.save(folder / f"{path.stem[:24]}-{number}.jpg", quality=92)


def _renders(folder: Path, count: int = 240) -> None:
    """Drawings, plots, gradients, noise and pages of text, of 40 to 1600 px a side."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for number in range(count):
        size = int(rng.integers(40, 1600)), int(rng.integers(40, 1600))
        kind = RENDERS[number % len(RENDERS)]
        kind(size, rng).save(folder / f"{kind.__name__.strip('_')}-{number:03}.png")


def drawing(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Ellipses, boxes and lines in flat colours."""
    image = Image.new("RGB", size, _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 30))):
        x, y = np.sort(rng.integers(0, size[0], 2)).tolist(), np.sort(rng.integers(0, size[1], 2)).tolist()
        shape = (draw.ellipse, draw.rectangle, draw.line)[rng.integers(3)]
        shape((x[0], y[0], x[1], y[1]), fill=_colour(rng))
    return image


def gradient(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A smooth run between two colours."""
    way = rng.normal(size=2)
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    run = x / size[0] * way[0] + y / size[1] * way[1]
    run = (run - run.min()) / np.ptp(run)
    a, b = np.array(_colour(rng)), np.array(_colour(rng))
    return Image.fromarray(np.uint8(a + run[..., None] * (b - a)))


def noise(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Independent noise about one grey."""
    values = rng.normal(rng.integers(40, 215), rng.integers(2, 70), (size[1], size[0], 3))
    return Image.fromarray(np.uint8(np.clip(values, 0, 255)))


def page(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Lines of dark letters on a light ground."""
    image = Image.new("RGB", size, tuple(rng.integers(220, 256, 3).tolist()))
    draw, step = ImageDraw.Draw(image), int(rng.integers(10, 30))
    font = ImageFont.load_default(step * 0.8)
    for y in range(step, size[1], step):
        letters = "".join(chr(c) for c in rng.choice([*range(97, 123), 32, 32, 32], size[0] // step * 2))
        draw.text((step, y), letters, fill=tuple(rng.integers(0, 90, 3).tolist()), font=font)
    return image


def plot(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A chart of two curves with axes, by matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(size[0], 150) / 100, max(size[1], 150) / 100), dpi=100)
    axes = figure.subplots()
    axes.plot(np.cumsum(rng.normal(size=(50, 2)), axis=0))
    axes.set_title("Height over time")
    figure.canvas = __import__("matplotlib.backends.backend_agg", fromlist=["x"]).FigureCanvasAgg(figure)
    figure.canvas.draw()
    return Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())


RENDERS = (drawing, gradient, noise, page, plot)


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(rng.integers(0, 256, 3).tolist())
