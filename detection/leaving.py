"""Closes the sockets of people who may no longer listen, at once and not with the next turn of the timer.

Hears of rows, so that it does not matter who shuts somebody out: the members' page, a program by
its key, the platform's admin, or the deletion of an account.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save

from accounts.models import Membership, User
from detection import push


def listen() -> None:
    post_delete.connect(_membership_ended, sender=Membership, dispatch_uid="leaving.ended")
    post_save.connect(_membership_saved, sender=Membership, dispatch_uid="leaving.saved")
    post_save.connect(_account_saved, sender=User, dispatch_uid="leaving.account")


def _membership_ended(instance: Membership, **_: Any) -> None:
    _doubt(instance.user_id)


def _membership_saved(instance: Membership, created: bool, **_: Any) -> None:
    if not created:  # another role
        _doubt(instance.user_id)


def _account_saved(instance: User, **_: Any) -> None:
    if not instance.is_active:
        _doubt(instance.pk)


def _doubt(person: int) -> None:
    transaction.on_commit(partial(push.access_changed, person))
