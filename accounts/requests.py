"""From a request to the principal of the organisation in its address."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from allauth.account.models import EmailAddress
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from accounts import looking
from accounts.access import LookNeeded, MfaRequired, Principal, principal_for
from accounts.models import Organisation, Role

SIGNED_OUT = "You are signed out. Sign in again, then choose the files again."
NOT_ALLOWED = (
    "Your role in this organisation does not allow this. Ask an owner to do it or to change your role."
)
SECOND_FACTOR_NEEDED = (
    "This organisation asks its members for a second step when they sign in. Open its page in a "
    "browser and set one up, then try again."
)
LOOK_NEEDED = (
    "This account was set up before its address was confirmed. Open the organisation's page in a browser and "
    "look through who is in it, then try again."
)
RETURN_TO = "second_factor_return"  # session key: the page that was asked for before the set-up

P = ParamSpec("P")
Inner = Callable[Concatenate[HttpRequest, Principal, P], HttpResponseBase]
Outer = Callable[Concatenate[HttpRequest, str, P], HttpResponseBase]


def wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def for_members(view: Inner[P]) -> Outer[P]:
    """Hands the view a ``Principal`` of the organisation in the URL, and shows times in its time zone.

    Strangers are sent to sign in; outsiders get 404; members who lack the second factor that is
    asked of them are led to it; a script gets JSON where a person gets a page.
    """

    @wraps(view)
    def inner(request: HttpRequest, organisation: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _sign_in(request)
        try:
            return _answered(view, request, organisation, *args, **kwargs)
        finally:
            request.close()  # its uploads: where the client has hung up, Django leaves them on the disk

    return inner


def for_those_who_look(view: Inner[P]) -> Outer[P]:
    """As ``for_members``, and lets those in who have to look through the organisation first."""

    @wraps(view)
    def within(
        request: HttpRequest, principal: Principal, *args: P.args, **kwargs: P.kwargs
    ) -> HttpResponseBase:
        return view(request, principal, *args, **kwargs)

    within.may_look = True  # type: ignore[attr-defined]
    return for_members(within)


def _answered(
    view: Inner[P], request: HttpRequest, slug: str, *args: P.args, **kwargs: P.kwargs
) -> HttpResponseBase:
    try:
        response = _within(view, request, slug, *args, **kwargs)
    except MfaRequired as needed:
        response = _ask_for_second_factor(request, needed.organisation)
    except LookNeeded as needed:
        response = look_page(request, needed.principal)
    except PermissionDenied:
        if not wants_json(request):
            raise
        response = JsonResponse({"detail": NOT_ALLOWED}, status=403)
    patch_vary_headers(response, ["Accept", "Cookie"])  # type: ignore[arg-type]
    return response


def _within(
    view: Inner[P], request: HttpRequest, slug: str, *args: P.args, **kwargs: P.kwargs
) -> HttpResponseBase:
    principal = principal_for(request.user, slug, looking=getattr(view, "may_look", False))
    request.session.pop(RETURN_TO, None)
    with timezone.override(zone_of(principal.organisation)):
        return view(request, principal, *args, **kwargs)


def zone_of(organisation: Organisation) -> ZoneInfo:
    """Its time zone; UTC where this machine's time zone data no longer know the name."""
    try:
        return ZoneInfo(organisation.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _ask_for_second_factor(request: HttpRequest, organisation: Organisation) -> HttpResponseBase:
    """Instead of any page: what is asked for, why, and the way there and back."""
    if wants_json(request):
        return JsonResponse({"detail": SECOND_FACTOR_NEEDED}, status=403)
    if request.method == "GET" and "text/html" in request.headers.get("Accept", "text/html"):  # no picture
        request.session[RETURN_TO] = request.get_full_path()
    else:
        request.session.setdefault(RETURN_TO, reverse("check", args=[organisation.slug]))
    unconfirmed = EmailAddress.objects.filter(user_id=request.user.pk, verified=False).exists()
    context = {"asking": organisation, "unconfirmed": unconfirmed}
    return render(request, "account/second_factor_needed.html", context, status=403)


def look_page(request: HttpRequest, principal: Principal, refused: str = "") -> HttpResponse:
    """Instead of any page: who else is in the organisation, and the question who stays."""
    if wants_json(request):
        return JsonResponse({"detail": LOOK_NEEDED}, status=403)
    others = looking.others(principal)
    context = {
        "looked_at": principal.organisation,
        "owns": principal.role == Role.OWNER,
        "others": others,
        "owners": [each for each in others if each.role == Role.OWNER],
        "keys": looking.open_keys(principal),
        "refused": refused,
    }
    return render(request, "account/look_through.html", context, status=422 if refused else 403)


def _sign_in(request: HttpRequest) -> HttpResponseBase:
    if wants_json(request):
        return JsonResponse({"detail": SIGNED_OUT}, status=401)
    # After signing in people go on to a page: a form that was sent is not sent again.
    target = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
    return redirect_to_login(target)
