"""What REST_FRAMEWORK names for every view. DRF reads it while its own views are being imported."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts import limits
from accounts.access import Principal, require
from accounts.single_files import NOT_UTF_8, has_unreadable_name


class Allowed(BasePermission):
    """A key, and one whose scopes hold what the view asks for this method."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises PermissionDenied where the scope is missing, Problem (429) over the limit. False: no key."""
        if not isinstance(request.auth, Principal):
            return False
        limits.require_room(request)  # first: what is refused for want of a scope ends with the minute, too
        method = "GET" if request.method == "HEAD" else str(request.method)
        if hasattr(view, method.lower()):  # what the view does not know is a 405, whoever asks
            for permission in _permissions(view, method):
                require(request.auth, permission)
        return True


def _permissions(view: Any, method: str) -> tuple[str, ...]:
    try:
        needed = view.permissions[method]
    except (AttributeError, KeyError):
        raise ImproperlyConfigured(f"{type(view).__name__} names no permission for {method}.") from None
    return (needed,) if isinstance(needed, str) else needed


class FormParser(MultiPartParser):
    """DRF's, which drops a part whose name it cannot read, in silence."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        found = super().parse(stream, media_type, parser_context)
        if not found.files and has_unreadable_name(stream):
            raise ParseError(NOT_UTF_8)
        return found


class JsonParser(JSONParser):
    """DRF's, which takes a body that is nested too deep for a fault of the server."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deep") from None
