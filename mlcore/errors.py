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
    """The file is not an image that can be examined (see ``code`` for which limit)."""

    code = "not_an_image"


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
