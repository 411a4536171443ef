"""What services refuse, in the words of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from rest_framework import serializers

from accounts.api_problem import Problem
from accounts.errors import Refused

CONFLICTS = frozenset({"key_revoked"})  # codes of ValidationErrors that are about no field
OF_A_DAY = frozenset({"invitation_limit"})


@contextmanager
def refusals(*fields: str) -> Iterator[None]:
    """``Refused`` and ``ValidationError`` as problems; a code among ``fields`` is about that field."""
    try:
        yield
    except Refused as refused:
        raise _of_refusal(refused, fields) from refused
    except ValidationError as error:
        raise _of_validation(error) from error


def _of_refusal(refused: Refused, fields: tuple[str, ...]) -> Exception:
    said = str(refused)
    if refused.code in fields:
        return serializers.ValidationError({refused.code: [said]})
    if refused.code in OF_A_DAY:
        return Problem("rate-limited", said, code=refused.code, headers={"Retry-After": _until_tomorrow()})
    return Problem("conflict", said, code=refused.code)


def _of_validation(error: ValidationError) -> Exception:
    if hasattr(error, "error_dict"):
        return serializers.ValidationError(error.message_dict)
    code = getattr(error, "code", None)
    if code in CONFLICTS:
        return Problem("conflict", " ".join(error.messages), code=code)
    detail: Any = error.messages
    return serializers.ValidationError(detail)


def _until_tomorrow() -> str:
    """Seconds until the next day begins (UTC)."""
    now = timezone.now()
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=now.tzinfo)
    return str(int((midnight - now).total_seconds()) + 1)
