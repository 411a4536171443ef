"""From a request to what services take, and from errors back to sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.cache import patch_vary_headers

from accounts.access import Principal, principal_for

SIGNED_OUT = "You are signed out. Sign in again, then choose the files again."
NOT_ALLOWED = (
    "Your role in this organisation does not allow this. Ask an owner to do it or to change your role."
)

P = ParamSpec("P")
Inner = Callable[Concatenate[HttpRequest, Principal, P], HttpResponseBase]
Outer = Callable[Concatenate[HttpRequest, str, P], HttpResponseBase]


class UploadRefused(Exception):
    """The request as a whole cannot be taken. The message is a sentence for people."""


def wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def for_members(view: Inner[P]) -> Outer[P]:
    """Hands the view a ``Principal`` of the organisation in the URL.

    Strangers are sent to sign in; outsiders get 404; a script gets JSON where a person gets a page.
    """

    @wraps(view)
    def inner(request: HttpRequest, organisation: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _sign_in(request)
        principal = principal_for(request.user, organisation)
        try:
            response = view(request, principal, *args, **kwargs)
        except PermissionDenied:
            if not wants_json(request):
                raise
            response = JsonResponse({"detail": NOT_ALLOWED}, status=403)
        patch_vary_headers(response, ["Accept", "Cookie"])  # type: ignore[arg-type]
        return response

    return inner


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
    if not files:
        raise UploadRefused("No file was chosen. Choose one or more images, then send them.")
    return files


def _sign_in(request: HttpRequest) -> HttpResponseBase:
    if wants_json(request):
        return JsonResponse({"detail": SIGNED_OUT}, status=401)
    # After signing in people go on to a page: a form that was sent is not sent again.
    target = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
    return redirect_to_login(target)
