"""From a request to the principal of the organisation in its address."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.cache import patch_vary_headers

from accounts.access import Principal, principal_for

SIGNED_OUT = "You are signed out. Sign in again, then choose the files again."
NOT_ALLOWED = (
    "Your role in this organisation does not allow this. Ask an owner to do it or to change your role."
)

P = ParamSpec("P")
Inner = Callable[Concatenate[HttpRequest, Principal, P], HttpResponseBase]
Outer = Callable[Concatenate[HttpRequest, str, P], HttpResponseBase]


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


def _sign_in(request: HttpRequest) -> HttpResponseBase:
    if wants_json(request):
        return JsonResponse({"detail": SIGNED_OUT}, status=401)
    # After signing in people go on to a page: a form that was sent is not sent again.
    target = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
    return redirect_to_login(target)
