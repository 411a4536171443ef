"""The way in for programs: ``Authorization: Bearer cfk_…``, the secret of an organisation's key."""

from __future__ import annotations

from datetime import timedelta
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.core.exceptions import PermissionDenied as NoAddress
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.settings import CONSTANTS
from rest_framework.exceptions import APIException, AuthenticationFailed, PermissionDenied

from accounts import wrong_keys
from accounts.access import Principal
from accounts.key_selectors import is_closed, is_expired, program, with_maker
from accounts.models import ApiKey

USED_EVERY = timedelta(minutes=1)  # how exact "last used" is: not every request has to write

UNKNOWN = "There is no such API key. Send “Authorization: Bearer cfk_…” with the whole value of a key."
REVOKED = "This API key was revoked. Make a new one, or ask an administrator of the organisation for one."
EXPIRED = "This value of the API key has expired. Rotate the key to get a new one."
CLOSED = "This value was made by somebody who has left the organisation. Rotate the key to get a new one."
ELSEWHERE = "This API key may not be used from {address}. Add this address to those of the key."


class KeyUser(AnonymousUser):
    """What ``request.user`` is for a program: nobody, though no stranger. It owns nothing and may nothing."""

    is_authenticated = True  # type: ignore[assignment]
    is_anonymous = False  # type: ignore[assignment]

    def __init__(self, key: ApiKey) -> None:
        super().__init__()
        self.key = key

    def __str__(self) -> str:
        return f"API key {self.key}"


class KeyAuthentication(TokenAuthentication):
    """knox' reading of the header; our secrets belong to keys, and one that has expired stays on record.

    ``request.auth`` is the ``Principal`` of the key. 401 for what opens nothing (any more), 403 for the
    right key at the wrong address, 429 after too many of either.
    """

    def authenticate(self, request: HttpRequest) -> tuple[KeyUser, Principal] | None:
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        address = client(request)
        wrong_keys.require_few(address, header)
        try:
            return self._admitted(request)
        except APIException:
            wrong_keys.note(address, header)
            raise

    def _admitted(self, request: HttpRequest) -> tuple[KeyUser, Principal] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user, principal = found
        require_address(user.key, request)
        note_use(user.key)
        return user, principal

    def authenticate_credentials(self, token: bytes) -> tuple[KeyUser, Principal]:
        value = token.decode("utf-8", "replace")
        secret = _find(value) if value.isprintable() else None
        if secret is None:
            raise AuthenticationFailed(UNKNOWN, "key_unknown")
        _require_open(secret)
        return KeyUser(secret.key), program(secret)


def require_address(key: ApiKey, request: HttpRequest) -> None:
    """Raises PermissionDenied (DRF's, 403) if the key has a list of networks and the client is in none."""
    if not key.addresses:
        return
    address = client(request)
    if address is None or not any(address in ip_network(network) for network in key.addresses):
        raise PermissionDenied(ELSEWHERE.format(address=address or "an unknown address"), "key_address")


def note_use(key: ApiKey) -> None:
    """Keeps ``last_used_at``, at most once in ``USED_EVERY``, however many requests come at once."""
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at <= now - USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def _find(token: str) -> Any:
    """The secret with its key, the key's organisation and ``maker_role``, in one query; or None.

    By the readable beginning, then all of the hash in constant time: how long a wrong guess takes tells
    nothing about the rest.
    """
    rows = with_maker()
    digest = hash_token(token)
    candidates = rows.filter(token_key=token[: CONSTANTS.TOKEN_KEY_LENGTH])
    return next((each for each in candidates if compare_digest(each.digest, digest)), None)


def _require_open(secret: Any) -> None:
    if secret.key.revoked_at is not None:
        raise AuthenticationFailed(REVOKED, "key_revoked")
    if is_expired(secret):
        raise AuthenticationFailed(EXPIRED, "key_expired")
    if is_closed(secret):
        raise AuthenticationFailed(CLOSED, "key_closed")


def client(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """The client as its proxies, if they are trusted, saw it. IPv4 in the clothes of IPv6 is IPv4."""
    try:
        address = ip_address(get_adapter().get_client_ip(request))
    except (NoAddress, ImproperlyConfigured, ValueError):  # the second: fewer proxies than were said
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


class KeyScheme(OpenApiAuthenticationExtension):
    """How OpenAPI names it."""

    target_class = "accounts.authentication.KeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "cfk_…",
            "description": "The value of one of the organisation's API keys. The key names the organisation.",
        }
