"""One file where one is asked for: Django takes the last of several in silence."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

SEVERAL = "Choose one file, not several."
NOT_UTF_8 = "The name of a file is not written in UTF-8. Rename the file, or send its name as UTF-8."
HEAD_BYTES = 64 * 1024  # of a body: the headers of its first parts


class OneFileInput(forms.FileInput):
    """Gives a list where there are several, for the field to refuse."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        given = files.getlist(name) if hasattr(files, "getlist") else []
        return given if len(given) > 1 else super().value_from_datadict(data, files, name)


class OneFileField(forms.FileField):
    widget = OneFileInput

    def to_python(self, data: Any) -> Any:
        if isinstance(data, list):
            raise ValidationError(SEVERAL)
        return super().to_python(data)


def has_unreadable_name(request: Any) -> bool:
    """Whether a part of a form was dropped because its name is in another encoding than UTF-8.

    To be asked where a file is missing: the body is looked at once more, as far as it is still there.
    """
    body = getattr(request, "_stream", None)
    if body is None or not body.seekable():
        return False
    body.seek(0)
    lines = body.read(HEAD_BYTES).split(b"\r\n")
    return any(line.lower().startswith(b"content-disposition:") and not _is_utf_8(line) for line in lines)


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
