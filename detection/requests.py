"""From a request to what services take, and from errors back to sentences."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParserError

from accounts.single_files import NOT_UTF_8, has_unreadable_name


class UploadRefused(Exception):
    """The request as a whole cannot be taken. The message is a sentence for people."""


def uploaded(request: HttpRequest) -> list[UploadedFile[Any]]:
    """The files of a form.

    Raises:
        UploadRefused: too many files, none at all, or a broken form.
    """
    try:
        files = [file for file in request.FILES.getlist("files") if file is not None]
    except (TooManyFilesSent, TooManyFieldsSent):
        raise UploadRefused(
            f"At most {settings.MAX_UPLOAD_FILES} files can be sent at once. Send the others after these."
        ) from None
    except (RequestDataTooBig, MultiPartParserError):  # the latter also for names above some 900 bytes
        raise UploadRefused(
            "The upload could not be read. Choose the files again; if a name is very long, shorten it first."
        ) from None
    if not files and has_unreadable_name(request):
        raise UploadRefused(NOT_UTF_8)
    if not files:
        raise UploadRefused("No file was chosen. Choose one or more images, then send them.")
    return files
