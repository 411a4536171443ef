"""Founding further organisations, for people who have one already."""

from __future__ import annotations

from django.db import transaction

from accounts.access import Principal
from accounts.errors import Refused
from accounts.models import Organisation, Role, User
from accounts.services import found_organisation
from accounts.signals import happened

MOST_OWNED = 20  # by one person: each may send invitations


def found_another(*, user: User, name: str) -> Organisation:
    """One more organisation, owned by this person.

    Raises:
        Refused: ``name``, or ``too_many``: this person owns as many as anybody may.
    """
    if not name.strip():
        raise Refused("name", "Give it a name.")
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if user.memberships.filter(role=Role.OWNER).count() >= MOST_OWNED:
            raise Refused(
                "too_many",
                f"You own {MOST_OWNED} organisations, which is as many as one person may. "
                "Give one to somebody else first.",
            )
        organisation = found_organisation(name=name, owner=user)
        happened.send(
            sender=Organisation,
            principal=Principal(user, organisation, Role.OWNER),
            event="organisation.founded",
            subject=organisation.name,
            details={"name": organisation.name},
        )
    return organisation
