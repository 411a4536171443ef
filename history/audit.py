"""Writes down what ``accounts.signals.happened`` tells, in the transaction that makes it true."""

from __future__ import annotations

from typing import Any

from django.db import models

from accounts.access import Principal
from accounts.models import User
from history.models import AuditEvent

INVITED = "The invited person"
ITSELF = "CIFAKE"


def write_down(
    sender: Any,
    *,
    principal: Principal | None = None,
    event: str,
    subject: Any = "",
    details: dict[str, Any] | None = None,
    **_: Any,
) -> None:
    """If this fails, so does what it is about: nothing of weight happens unrecorded.

    Without a ``principal`` nobody did it: it came about, to a ``subject`` of an organisation.
    """
    AuditEvent.objects.create(
        organisation=principal.organisation if principal else subject.organisation,
        actor=_cut("actor", _actor(principal)),
        user=principal.user if principal else None,
        key=principal.key if principal else None,
        event=event,
        subject=_cut("subject", named(subject)),
        details=details or {},
    )


def named(subject: Any) -> str:
    """People by name and address: two may have the same name, and a name can be changed."""
    if isinstance(subject, User) and subject.name:
        return f"{subject.name} ({subject.email})"
    return str(subject)


def _actor(principal: Principal | None) -> str:
    if principal is None:
        return ITSELF
    if principal.key is not None:
        return str(principal)
    return named(principal.user) if principal.user is not None else INVITED


def _cut(field: str, text: str) -> str:
    longest = AuditEvent._meta.get_field(field)
    assert isinstance(longest, models.CharField)
    return text[: longest.max_length]
