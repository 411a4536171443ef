"""What happens to a picture on its way: saved again, blurred, resized, cropped, lit, noised.

One set of operations, used four ways: drawn at random in training (Hendrycks & Dietterich,
"Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019,
for the idea of a fixed family), at fixed strengths in ``evaluate --robustness`` and for the gate's
fit, and as the variants of the stability stage. Everything takes and gives (h, w, 3) uint8 of
equal size.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

pillow_heif.register_heif_opener(thumbnails=False)
Pixels = NDArray[np.uint8]
FILTERS = (
    Image.Resampling.BICUBIC,
    Image.Resampling.BILINEAR,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
    Image.Resampling.HAMMING,
)


def jpeg(pixels: Pixels, quality: float, subsampling: int = 2) -> Pixels:
    """Saved as JPEG and read again. ``subsampling``: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0."""
    return _coded(pixels, "JPEG", quality=int(quality), subsampling=subsampling)


def webp(pixels: Pixels, quality: float) -> Pixels:
    """Saved as lossy WebP and read again."""
    return _coded(pixels, "WEBP", quality=int(quality), method=0)


def avif(pixels: Pixels, quality: float) -> Pixels:
    """Saved as AVIF and read again."""
    return _coded(pixels, "AVIF", quality=int(quality), speed=8)


def heic(pixels: Pixels, quality: float) -> Pixels:
    """Saved as HEIC and read again."""
    return _coded(pixels, "HEIF", quality=int(quality))


def jpeg_full_colour(pixels: Pixels, quality: float) -> Pixels:
    """Saved as JPEG whose colours are not halved (4:4:4)."""
    return jpeg(pixels, quality, subsampling=0)


def jpeg_twice(pixels: Pixels, quality: float) -> Pixels:
    """Saved as JPEG, and once more at quality 95, which hides the first from the file's tables."""
    return jpeg(jpeg(pixels, quality), 95)


def webp_jpeg(pixels: Pixels, quality: float) -> Pixels:
    """Saved as WebP, and then as JPEG of quality 95."""
    return jpeg(webp(pixels, quality), 95)


def palette(pixels: Pixels, colours: float) -> Pixels:
    """With so many colours, as GIF has them."""
    return np.asarray(Image.fromarray(pixels).quantize(int(colours)).convert("RGB"))


def colour(pixels: Pixels, factor: float) -> Pixels:
    """Its colours that much as strong; 0 leaves greys."""
    return np.asarray(ImageEnhance.Color(Image.fromarray(pixels)).enhance(factor))


def cut(pixels: Pixels, count: float) -> Pixels:
    """So many pixels cut off at the top and on the left; the rest as large as before, as models see it."""
    height, width = pixels.shape[:2]
    rest = Image.fromarray(pixels[int(count) :, int(count) :])
    return np.asarray(rest.resize((width, height), Image.Resampling.BILINEAR))


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """Gaussian blur of ``sigma`` pixels."""
    from cv2 import GaussianBlur

    return np.asarray(GaussianBlur(pixels, (0, 0), float(sigma)), np.uint8)


def through(pixels: Pixels, factor: float, resample: int = Image.Resampling.BICUBIC) -> Pixels:
    """Resized by ``factor`` (above 1 up, below 1 down) and back, by Pillow."""
    height, width = pixels.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size, resample).resize((width, height), resample))


def crop(pixels: Pixels, share: float, across: float = 0.5, down: float = 0.5) -> Pixels:
    """The part that keeps ``share`` of each side, placed at (across, down), enlarged again."""
    height, width = pixels.shape[:2]
    w, h = width * share, height * share
    left, top = (width - w) * across, (height - h) * down
    image = Image.fromarray(pixels)
    box = (left, top, left + w, top + h)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box=box))


def noise(pixels: Pixels, sigma: float, rng: np.random.Generator | None = None) -> Pixels:
    """Gaussian noise of ``sigma`` levels, independent in each pixel and channel."""
    rng = rng or np.random.default_rng(0)
    return _clipped(pixels + rng.normal(0.0, sigma, pixels.shape))


def brightness(pixels: Pixels, factor: float) -> Pixels:
    return _clipped(pixels * factor)


def contrast(pixels: Pixels, factor: float) -> Pixels:
    mean = pixels.mean()
    return _clipped((pixels - mean) * factor + mean)


def sharpen(pixels: Pixels, percent: float) -> Pixels:
    """Unsharp mask of 1 px radius, as editors and phones apply it."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.UnsharpMask(1.0, int(percent), 0)))


@dataclass(frozen=True)
class Degradation:
    """One operation at the strengths that the robustness table shows, weakest first."""

    apply: Callable[[Pixels, float], Pixels]
    strengths: tuple[float, ...]
    label: str  # with a place for the strength


DEGRADATIONS: dict[str, Degradation] = {
    "jpeg": Degradation(jpeg, (90, 75, 60, 50, 40, 35, 30, 25, 20, 15, 10, 5, 3), "JPEG quality {:g}"),
    "jpeg_full_colour": Degradation(jpeg_full_colour, (60, 40, 20, 10), "JPEG quality {:g}, colours whole"),
    "jpeg_twice": Degradation(jpeg_twice, (60, 30, 20, 10, 3), "JPEG quality {:g}, then 95"),
    "webp": Degradation(webp, (90, 60, 40, 30, 25, 20, 15, 10, 5), "WebP quality {:g}"),
    "webp_jpeg": Degradation(webp_jpeg, (60, 20, 5), "WebP quality {:g}, then JPEG 95"),
    "avif": Degradation(avif, (75, 50, 40, 30, 20, 10, 5), "AVIF quality {:g}"),
    "heic": Degradation(heic, (75, 50, 40, 30, 20, 10, 5), "HEIC quality {:g}"),
    "palette": Degradation(palette, (256, 64, 32, 16, 8), "{:g} colours, as in a GIF"),
    "blur": Degradation(blur, (0.4, 0.7, 1.0, 1.5), "Gaussian blur {:g} px"),
    "up_down": Degradation(through, (2, 4, 8), "×{:g} up and down, bicubic"),
    "down_up": Degradation(through, (0.75, 0.5, 0.375), "×{:g} down and up, bicubic"),
    "cut": Degradation(cut, (1, 2, 4), "{:g} px cut off"),
    "crop": Degradation(crop, (0.95, 0.875, 0.75), "crop to {:g} of the side"),
    "noise": Degradation(noise, (2, 5, 10), "noise of {:g} levels"),
    "sharpen": Degradation(sharpen, (50, 100, 200), "sharpened by {:g} %"),
    "brightness": Degradation(brightness, (1.15, 0.75, 0.5, 0.3), "brightness ×{:g}"),
    "contrast": Degradation(contrast, (1.2, 0.75, 0.5, 0.3), "contrast ×{:g}"),
    "colour": Degradation(colour, (0.5, 0.1, 0.0), "colour ×{:g}"),
}


def at_random(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """One to three operations at random strengths, the last often a codec: as files travel."""
    operations = rng.choice(len(RANDOM), size=rng.integers(1, 3), replace=False)
    for number in operations:
        pixels = RANDOM[number](pixels, rng)
    return jpeg(pixels, rng.uniform(40, 96), int(rng.integers(0, 3))) if rng.random() < 0.3 else pixels


def _any_resize(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    factor = rng.uniform(1.25, 6.0) if rng.random() < 0.6 else rng.uniform(0.45, 0.95)
    return through(pixels, factor, FILTERS[rng.integers(len(FILTERS))])


RANDOM: tuple[Callable[[Pixels, np.random.Generator], Pixels], ...] = (
    lambda p, rng: jpeg(p, rng.uniform(35, 96), int(rng.integers(0, 3))),
    lambda p, rng: webp(p, rng.uniform(35, 96)),
    lambda p, rng: blur(p, rng.uniform(0.3, 1.1)),
    _any_resize,
    lambda p, rng: crop(p, rng.uniform(0.75, 0.98), rng.random(), rng.random()),
    lambda p, rng: noise(p, rng.uniform(1.0, 10.0), rng),
    lambda p, rng: contrast(brightness(p, rng.uniform(0.6, 1.4)), rng.uniform(0.6, 1.4)),
    lambda p, rng: sharpen(p, rng.uniform(30, 120)),
)


def _coded(pixels: Pixels, form: str, **options: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    file.seek(0)
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def _clipped(values: NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
