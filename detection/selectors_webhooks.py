"""Reads of webhooks and their deliveries: each takes the principal."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
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
    """As ``webhooks``, with ``waiting`` and ``dead`` deliveries and the time of the last event.

    By subqueries that an index answers: the delivered ones, of which there are most, are not read.
    """
    own = Delivery.objects.filter(webhook=OuterRef("pk"))
    return webhooks(principal).annotate(
        waiting=_count(own.filter(state__in=[State.QUEUED, State.RUNNING])),
        dead=_count(own.filter(state=State.DEAD)),
        last_at=Subquery(own.order_by("-created_at").values("created_at")[:1]),
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


def _count(rows: QuerySet[Delivery]) -> Coalesce:
    by_webhook = rows.order_by().values("webhook").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(by_webhook), 0)
