"""Whoever may no longer listen hears nothing more: people's sockets are closed, programs' webhooks go off.

At once, and not with the next turn of a timer.

Hears of rows, so that it does not matter who shuts somebody out: the members' page, a program by
its key, the platform's admin, or the deletion of an account.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save

from accounts.access import WEBHOOKS_WRITE, lacking, principal_of_key
from accounts.models import ApiKey, Membership, Organisation, User
from accounts.signals import doors_closed
from detection import push, webhooks
from detection.models import Webhook

REVOKED = "The API key that made or changed this webhook was revoked."
TAKEN_OVER = "An owner's account was taken over by the owner of its address. Is this webhook one of yours?"
NARROWED = "The API key that made or changed this webhook may no longer see what it is told."


def listen() -> None:
    post_delete.connect(_membership_ended, sender=Membership, dispatch_uid="leaving.ended")
    post_save.connect(_membership_saved, sender=Membership, dispatch_uid="leaving.saved")
    post_save.connect(_account_saved, sender=User, dispatch_uid="leaving.account")
    doors_closed.connect(_doors_closed, dispatch_uid="leaving.doors")
    post_save.connect(_key_saved, sender=ApiKey, dispatch_uid="leaving.key")
    post_delete.connect(_session_ended, sender=Session, dispatch_uid="leaving.session")


def _membership_ended(instance: Membership, **_: Any) -> None:
    _doubt(instance.user_id)


def _membership_saved(instance: Membership, created: bool, **_: Any) -> None:
    if not created:  # another role
        _doubt(instance.user_id)


def _account_saved(instance: User, created: bool, **_: Any) -> None:
    if not created:  # inactive, or with another password
        _doubt(instance.pk)


def _doors_closed(organisation: Organisation, **_: Any) -> None:
    webhooks.switch_off_all([organisation], TAKEN_OVER)


def _key_saved(instance: ApiKey, created: bool, **_: Any) -> None:
    if created:
        return
    if instance.revoked_at is not None:
        webhooks.switch_off_of_keys([instance], REVOKED)
    elif _hears_too_much(instance):
        webhooks.switch_off_of_keys([instance], NARROWED)


def _hears_too_much(key: ApiKey) -> bool:
    told = {each for row in Webhook.objects.filter(by_key=key, active=True) for each in row.events}
    return bool(lacking(principal_of_key(key), [WEBHOOKS_WRITE, *webhooks.needed_for(told)]))


def _session_ended(instance: Session, **_: Any) -> None:
    """Signed out, here or from another browser."""
    person = instance.get_decoded().get(SESSION_KEY)
    if person is not None:
        _doubt(int(person))


def _doubt(person: int) -> None:
    transaction.on_commit(partial(push.access_changed, person))
