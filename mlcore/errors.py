"""What can go wrong in mlcore. Every message names the file and says what to do."""

from __future__ import annotations


class MlcoreError(Exception):
    """Base of all errors that mlcore raises on purpose.

    ``code`` is stable and for programs; ``str(error)`` is one sentence for people.
    """

    code = "error"

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.code = code or self.code


class ImageRefused(MlcoreError):
    """The file is not an image that can be examined: ``code`` is one of ``IMAGE_CODES``."""

    code = "not_an_image"


IMAGE_CODES = {
    "empty_file": "It has no bytes.",
    "too_large": "It has more bytes than may be sent.",
    "not_an_image": "Its bytes are no image's.",
    "unsupported_format": "Another format: PDF, SVG, a video, a camera's own raw format.",
    "unsupported_variant": "A known format in a variant that is not examined: camera raw in TIFF, a JPEG of "
    "12 bits, a BMP that holds a JPEG.",
    "truncated": "Broken: damaged, or more than 5 % of the picture is missing.",
    "too_many_pixels": "More than 50 megapixels.",
    "too_small": "A side has less than 8 pixels.",
    "extreme_ratio": "One side is more than 20 times the other.",
    "too_complex": "It would take too long, or too much memory, to decode.",
}


class DataError(MlcoreError):
    """A data set is missing, empty or not laid out as REAL and FAKE."""

    code = "bad_data"


class ModelUnavailable(MlcoreError):
    """Model weights are missing, damaged or do not match their recorded hash."""

    code = "model_unavailable"


class ObjectsUnavailable(MlcoreError):
    """The object detector's weights are not to be had; the message gives the remedy."""

    code = "objects_unavailable"


class DrawingFailed(MlcoreError):
    """An overlay took too long to draw, or its process died."""

    code = "drawing_failed"
