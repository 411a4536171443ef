"""An overlay from a file's bytes, in a process of its own where the picture is large.

A picture of 50 megapixels takes seconds and half a gigabyte to draw. In a process of its own, at
low priority, that costs those who upload meanwhile next to nothing. Needs Pillow and NumPy only,
so the web process can use it.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from mlcore import imaging, overlay
from mlcore.contracts import DetectedObject, Verdict
from mlcore.errors import DrawingFailed, ImageRefused

PNG, JPEG = "image/png", "image/jpeg"
SMALL = (
    1_000_000  # pixels up to which drawing takes some hundredths of a second: done at once, kept without loss
)
SECONDS = 60.0
MEMORY = 4 * 1024**3  # bytes of address space, in the child
REFUSED = 3  # the child's exit status: the file is not one that may be decoded


@dataclass(frozen=True)
class Drawing:
    """What an overlay shows. ``heatmap`` is packed, see :func:`mlcore.overlay.pack`."""

    name: str
    heatmap: dict[str, Any]
    shown: Verdict
    objects: tuple[DetectedObject, ...] = ()


def mime(pixels: int) -> str:
    """PNG for a small picture. A large one is a JPEG: a tenth of the bytes, in a tenth of the time."""
    return PNG if pixels <= SMALL else JPEG


def drawn(data: bytes, what: Drawing, pixels: int) -> bytes:
    """The overlay as a file, as :func:`mime` says, at the size of the upright original.

    Args:
        data: the original file, of any size.
        pixels: how many the original has, by its facts.

    Raises:
        ImageRefused: the original is not decoded, see :func:`mlcore.imaging.examine`.
        DrawingFailed: the child took longer than ``SECONDS``, or died.
    """
    return draw(data, what, mime(pixels)) if pixels <= SMALL else _by_child(data, what)


def draw(data: bytes, what: Drawing, mime: str) -> bytes:
    """As :func:`drawn`, here and now."""
    # What was let in stays readable, whatever the limits have become since.
    picture = imaging.examine(data, what.name, imaging.Limits(bytes=sys.maxsize))
    image = overlay.compose(picture, overlay.unpack(what.heatmap), what.shown, what.objects)
    return overlay.png(image) if mime == PNG else _jpeg(image)


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def _by_child(data: bytes, what: Drawing) -> bytes:
    command = [sys.executable, "-m", __name__]
    header = json.dumps({**asdict(what), "shown": str(what.shown)}).encode()
    given = header + b"\n" + data
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, env=_environment(), timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DrawingFailed(f"{what.name} took longer than {SECONDS:.0f} s to draw.") from error
    if done.returncode == REFUSED:
        raise ImageRefused(done.stderr.decode(errors="replace"))
    if done.returncode:
        raise DrawingFailed(f"Drawing {what.name} failed. Try again later.")
    return done.stdout


# --- The child --------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> int:
    """One overlay: reads a line of JSON and the original, writes the picture."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    header = json.loads(sys.stdin.buffer.readline())
    objects = tuple(DetectedObject(e["name"], e["score"], tuple(e["box"])) for e in header["objects"])
    what = Drawing(header["name"], header["heatmap"], Verdict(header["shown"]), objects)
    try:
        sys.stdout.buffer.write(draw(sys.stdin.buffer.read(), what, JPEG))
    except ImageRefused as refused:
        sys.stderr.write(str(refused))
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
