"""Reads of webhooks and their deliveries: each takes the principal."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet
from django.shortcuts import get_object_or_404

from accounts import access
from accounts.access import WEBHOOKS_READ, Principal
from detection.models import Delivery, Webhook

State = Delivery.State


def webhooks(principal: Principal) -> QuerySet[Webhook]:
    """The organisation's, the newest first.

    Raises:
        PermissionDenied: the principal may not see webhooks.
    """
    mine = access.scope(principal, Webhook.objects.select_related("organisation"), WEBHOOKS_READ)
    return mine.order_by("-created_at", "pk")


def with_counts(principal: Principal) -> QuerySet[Webhook]:
    """As ``webhooks``, with ``waiting`` and ``dead`` deliveries and the time of the last one that ended."""
    waiting = Q(deliveries__state__in=[State.QUEUED, State.RUNNING])
    return webhooks(principal).annotate(
        waiting=Count("deliveries", filter=waiting),
        dead=Count("deliveries", filter=Q(deliveries__state=State.DEAD)),
        last_at=Max("deliveries__finished_at"),
    )


def webhook(principal: Principal, pk: UUID) -> Webhook:
    """Raises Http404 for another organisation's, as for none."""
    return get_object_or_404(webhooks(principal), pk=pk)


def deliveries(principal: Principal, pk: UUID, state: str = "") -> QuerySet[Delivery]:
    """Those of one webhook, the newest first; of one state (any if "").

    Raises:
        Http404: no such webhook in this organisation.
    """
    found = Delivery.objects.filter(webhook=webhook(principal, pk)).select_related("webhook__organisation")
    if state:
        found = found.filter(state=state)
    return found.order_by("-created_at", "-pk")


def delivery(principal: Principal, webhook: UUID, pk: int) -> Delivery:
    """Raises Http404 for another organisation's, as for none."""
    return get_object_or_404(deliveries(principal, webhook), pk=pk)
