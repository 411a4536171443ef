"""Writes of webhooks: one use case a function. What is then sent, and how, is ``deliveries``' matter."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts import access
from accounts.access import WEBHOOKS_WRITE, Principal
from accounts.errors import Refused
from accounts.models import ApiKey, Organisation
from accounts.signals import happened
from detection import deliveries, events, remote, waking
from detection.models import Delivery, Webhook

MOST = 20  # webhooks of one organisation: each event becomes so many requests at most
SECRET_BYTES = 32
OVERLAP = timedelta(hours=24)  # in which a replaced secret signs as well

TOO_MANY = f"An organisation can have {MOST} webhooks. Delete one that you no longer need."
OFF = "This webhook is switched off. Switch it on first."
# What one has to be allowed to see, to have it sent somewhere.
TOLD_TO = {
    events.DETECTION_COMPLETED: access.READ,
    events.DETECTION_FAILED: access.READ,
    events.BATCH_COMPLETED: access.READ,
    events.MEMBERS: access.MEMBERS_READ,
}
NO_EVENTS = "Choose at least one event."


def make(*, principal: Principal, url: str, events: Iterable[str], description: str = "") -> Webhook:
    """A new webhook, switched on, with a secret of its own.

    Raises:
        PermissionDenied: the principal may not change webhooks, or not see itself what this one is told.
        ValidationError: by field; the address cannot be used, or no event, or one that is unknown.
        Refused: ``too_many_webhooks``.
    """
    access.require(principal, WEBHOOKS_WRITE)
    fields = _checked(url=url, events=events, description=description)
    require_may_hear(principal, fields["events"])
    with transaction.atomic():
        # NO KEY: rows that only refer to the organisation, such as detections, do not wait.
        Organisation.objects.select_for_update(no_key=True).get(pk=principal.organisation.pk)
        if Webhook.objects.filter(organisation=principal.organisation).count() >= MOST:
            raise Refused("too_many_webhooks", TOO_MANY)
        webhook = Webhook.objects.create(
            organisation=principal.organisation,
            created_by=principal.user,
            by_key=principal.key,
            secret=_secret(),
            **fields,
        )
        _tell(principal, "webhook.made", webhook, events=webhook.events)
    return webhook


def change(*, principal: Principal, pk: UUID, **fields: Any) -> Webhook:
    """Changes some of ``url``, ``events``, ``description`` and ``active``.

    What waits when a webhook is switched off is not sent any more. One that is switched on starts
    anew: it may fail for days again before the site switches it off.

    Raises:
        Http404: no such webhook in this organisation.
        PermissionDenied, ValidationError: as ``make``.
    """
    _get(principal, pk)
    checked = _checked(**fields)  # before the row is locked: name servers may be slow
    with transaction.atomic():
        webhook = _get(principal, pk, lock=True)
        changed = {name: value for name, value in checked.items() if getattr(webhook, name) != value}
        if not changed:
            return webhook
        for name, value in changed.items():
            setattr(webhook, name, value)
        require_may_hear(principal, webhook.events)
        webhook.by_key = principal.key
        if "active" in changed:
            webhook.failing_since, webhook.off_reason = None, ""
        webhook.save()
        if changed.get("active") is False:
            deliveries.switched_off(webhook)
        _tell(principal, "webhook.changed", webhook, **changed)
    return webhook


def rotate_secret(*, principal: Principal, pk: UUID) -> Webhook:
    """A new secret. The one until now signs as well for 24 hours; one before that no longer.

    Raises:
        Http404: no such webhook in this organisation.
        PermissionDenied: the principal may not change webhooks.
    """
    with transaction.atomic():
        webhook = _get(principal, pk, lock=True)
        webhook.old_secret, webhook.secret = webhook.secret, _secret()
        webhook.old_secret_until = timezone.now() + OVERLAP
        webhook.save(update_fields=["secret", "old_secret", "old_secret_until"])
        _tell(principal, "webhook.changed", webhook, secret="rotated")
    return webhook


def delete(*, principal: Principal, pk: UUID) -> None:
    """Removes a webhook with its deliveries, sent or not.

    Raises:
        Http404: no such webhook in this organisation.
        PermissionDenied: the principal may not change webhooks.
    """
    with transaction.atomic():
        webhook = _get(principal, pk, lock=True)
        _tell(principal, "webhook.deleted", webhook)
        webhook.delete()


def test(*, principal: Principal, pk: UUID) -> Delivery:
    """Sends a ``webhook.test`` event to one webhook, whatever events it asks for.

    Raises:
        Http404: no such webhook in this organisation.
        PermissionDenied: the principal may not change webhooks.
        Refused: ``webhook_off``.
    """
    with transaction.atomic():
        webhook = _switched_on(_get(principal, pk, lock=True))
        data = {"organisation": webhook.organisation.slug, "webhook": str(webhook.pk), "by": str(principal)}
        row = events.delivery(webhook, events.TEST, events.new_id(), data, timezone.now())
        row.save()
        transaction.on_commit(waking.deliveries, robust=True)
    return row


def replay(*, principal: Principal, webhook: UUID, pk: int) -> Delivery:
    """Sends a delivery once more, under the id that it had. One that waits is sent now.

    Raises:
        Http404: no such delivery in this organisation.
        PermissionDenied: the principal may not change webhooks.
        Refused: ``webhook_off``.
    """
    with transaction.atomic():
        _switched_on(_get(principal, webhook, lock=True))
        mine = Delivery.objects.select_for_update().filter(webhook=webhook)
        row = get_object_or_404(mine, pk=pk)
        if row.state != Delivery.State.RUNNING:  # that one is being sent this very moment
            over = row.state != Delivery.State.QUEUED
            row.state, row.due_at, row.finished_at = Delivery.State.QUEUED, timezone.now(), None
            row.attempts = 0 if over else row.attempts
            row.save(update_fields=["state", "due_at", "finished_at", "attempts"])
            transaction.on_commit(waking.deliveries, robust=True)
    return row


def require_may_hear(principal: Principal, events: Iterable[str]) -> None:
    """Raises PermissionDenied if an event tells what the principal may not see itself."""
    if beyond := access.lacking(principal, needed_for(events)):
        raise PermissionDenied(f"This takes what you may not do yourself: {'; '.join(beyond)}.")


def needed_for(events: Iterable[str]) -> list[str]:
    """The permissions to see what these events tell; a test tells nothing."""
    return [TOLD_TO[each] for each in events if each in TOLD_TO]


def switch_off_of_keys(keys: Iterable[ApiKey], reason: str) -> None:
    """Those that these programs answer for: a program that is shut out hears nothing more."""
    _switch_off(Webhook.objects.filter(by_key__in=list(keys)), reason)


def switch_off_all(organisations: Iterable[Organisation], reason: str) -> None:
    _switch_off(Webhook.objects.filter(organisation__in=list(organisations)), reason)


def _switch_off(rows: QuerySet[Webhook], reason: str) -> None:
    for webhook in rows.select_related("organisation").filter(active=True):
        webhook.active, webhook.off_reason = False, reason
        webhook.save(update_fields=["active", "off_reason"])
        deliveries.switched_off(webhook)
        _tell(Principal(None, webhook.organisation, "site"), "webhook.changed", webhook, active=False)


def _get(principal: Principal, pk: UUID, *, lock: bool = False) -> Webhook:
    mine = access.scope(principal, Webhook.objects.all(), WEBHOOKS_WRITE)
    if lock:  # NO KEY: the events of results do not wait
        mine = mine.select_for_update(of=("self",), no_key=True)
    return get_object_or_404(mine.select_related("organisation"), pk=pk)


def _switched_on(webhook: Webhook) -> Webhook:
    if not webhook.active:
        raise Refused("webhook_off", OFF)
    return webhook


def _checked(**fields: Any) -> dict[str, Any]:
    """The fields as they are stored.

    Raises:
        ValidationError: by field.
    """
    errors: dict[str, str] = {}
    if "url" in fields:
        fields["url"] = str(fields["url"]).strip()
        try:
            remote.check(fields["url"])
        except remote.RemoteError as error:
            errors["url"] = str(error)
    if "events" in fields:
        asked = set(fields["events"])
        fields["events"] = [each for each in events.CHOICES if each in asked]
        if unknown := sorted(asked - set(events.CHOICES)):
            errors["events"] = f"There is no event called {unknown[0][:60]}."
        elif not asked:
            errors["events"] = NO_EVENTS
    limit = Webhook._meta.get_field("description").max_length or 0
    if len(fields.get("description", "")) > limit:
        errors["description"] = f"Use {limit} characters at most."
    if errors:
        raise ValidationError(errors)
    return fields


def _secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _tell(principal: Principal, event: str, webhook: Webhook, **details: Any) -> None:
    details = {"url": webhook.url, **details}
    happened.send(sender=Webhook, principal=principal, event=event, subject=webhook, details=details)
