"""Invitations go with the rights of who sent them: a link that was put aside is no way back in.

Hears of rows, so that it does not matter who takes the rights away: the members' page, a program, the
platform's admin, or the deletion of an account. What a key sent counts as sent by the person who saw its
value, too.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.signals import post_save, pre_delete
from django.utils import timezone

from accounts.access import Principal, assignable, principal_of_key
from accounts.models import ApiKey, Invitation, Membership, Organisation, User


def listen() -> None:
    # Before: when an account has been deleted, nobody knows any more what it sent.
    pre_delete.connect(_membership_ends, sender=Membership, dispatch_uid="withdrawing.ends")
    post_save.connect(_membership_saved, sender=Membership, dispatch_uid="withdrawing.saved")
    post_save.connect(_account_saved, sender=User, dispatch_uid="withdrawing.account")
    post_save.connect(_key_saved, sender=ApiKey, dispatch_uid="withdrawing.key")


def sent_by(person: int, organisation: UUID) -> QuerySet[Invitation]:
    """Open ones that this person answers for."""
    return _sent_by(person).filter(organisation=organisation)


def sent_by_key(key: ApiKey) -> QuerySet[Invitation]:
    """Open ones of this key."""
    return _open().filter(by_key=key)


def open_of(organisation: Organisation) -> QuerySet[Invitation]:
    """All open ones of an organisation."""
    return _open().filter(organisation=organisation)


def _open() -> QuerySet[Invitation]:
    return Invitation.objects.filter(accepted_at=None, revoked_at=None)


def _sent_by(person: int) -> QuerySet[Invitation]:
    return _open().filter(Q(invited_by=person) | Q(behind=person))


def withdraw(rows: QuerySet[Invitation]) -> None:
    rows.update(revoked_at=timezone.now())


def _withdraw_beyond(rows: QuerySet[Invitation], sender: Principal) -> None:
    """Those to a role that their sender could not give any more."""
    withdraw(rows.exclude(role__in=assignable(sender)))


def _membership_ends(instance: Membership, **_: Any) -> None:
    withdraw(sent_by(instance.user_id, instance.organisation_id))


def _membership_saved(instance: Membership, created: bool, **_: Any) -> None:
    if created:
        return
    sent = sent_by(instance.user_id, instance.organisation_id)
    _withdraw_beyond(sent, Principal(instance.user, instance.organisation, instance.role))


def _account_saved(instance: User, created: bool, **_: Any) -> None:
    if not created and not instance.is_active:
        withdraw(_sent_by(instance.pk))


def _key_saved(instance: ApiKey, created: bool, **_: Any) -> None:
    if created:
        return
    if instance.revoked_at is not None:
        withdraw(sent_by_key(instance))
    else:
        _withdraw_beyond(sent_by_key(instance), principal_of_key(instance))
