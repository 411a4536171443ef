"""What the platform's admins do to an organisation's people and settings stands in its record as well.

Told by ``accounts.signals.happened`` like what members do, in the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest

from accounts import organisations
from accounts.access import Principal
from accounts.models import Membership, Organisation, User
from accounts.signals import happened


def tell(request: HttpRequest, event: str, membership: Membership, **details: str) -> None:
    """Of a membership, by somebody who need not be a member."""
    details = {"email": membership.user.email, "role": membership.role, **details}
    happened.send(
        sender=Membership,
        principal=acting(request, membership.organisation),
        event=event,
        subject=membership.user,
        details={**details, "acting_as": "platform admin"},
    )


def acting(request: HttpRequest, organisation: Organisation) -> Principal:
    """For the record alone: this role is in no table, and so may nothing."""
    assert isinstance(request.user, User)
    return Principal(request.user, organisation, "platform")


class TellsOfMemberships:
    """For a ModelAdmin with an inline of memberships."""

    def save_formset(
        self, request: HttpRequest, form: ModelForm, formset: BaseModelFormSet, change: bool
    ) -> None:
        super().save_formset(request, form, formset, change)  # type: ignore[misc]
        if formset.model is not Membership:
            return
        before = {each.instance.pk: each.initial for each in formset.initial_forms}
        for gone in formset.deleted_objects:
            tell(request, "member.removed", gone)
        for new in formset.new_objects:
            tell(request, "member.added", new)
        for changed, _ in formset.changed_objects:
            tell_change(request, changed, before[changed.pk])


class TellsOfItself:
    """For the ModelAdmin of a model whose rows are, or hold, memberships."""

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        _tell_of_ends(request, _memberships(obj))
        super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for each in queryset:
                _tell_of_ends(request, _memberships(each))
            super().delete_queryset(request, queryset)  # type: ignore[misc]


def tell_change(request: HttpRequest, membership: Membership, before: Mapping[str, Any]) -> None:
    """Of one that was something else before: another role, or moved to another person or organisation."""
    old = Membership(
        organisation=Organisation.objects.get(pk=before["organisation"]),
        user=User.objects.get(pk=before["user"]),
        role=before["role"],
    )
    if (old.organisation, old.user) != (membership.organisation, membership.user):
        tell(request, "member.removed", old)
        tell(request, "member.added", membership)
    elif old.role != membership.role:
        tell(request, "member.role_changed", membership, before=old.role)


def tell_of_account(request: HttpRequest, user: User) -> None:
    """Of one that was closed or opened again, wherever its person is a member."""
    event = "member.reinstated" if user.is_active else "member.suspended"
    for membership in user.memberships.select_related("organisation", "user"):
        tell(request, event, membership)


def tell_of_settings(request: HttpRequest, organisation: Organisation, before: dict[str, Any]) -> None:
    """Of those that are others than ``before``, as ``organisations.settings_of`` gave it."""
    organisations.tell_changes(acting(request, organisation), organisation, before)


def _tell_of_ends(request: HttpRequest, memberships: list[Membership]) -> None:
    for each in memberships:
        tell(request, "member.removed", each)


def _memberships(row: Model) -> list[Membership]:
    if isinstance(row, Membership):
        return [row]
    assert isinstance(row, User)
    return list(row.memberships.select_related("organisation", "user"))
