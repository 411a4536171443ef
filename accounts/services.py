"""Writes: one use case a function."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import islice

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.models import Membership, Organisation, Role, User

SLUG_ATTEMPTS = 20


def found_own_organisation(*, user: User) -> Organisation:
    """Gives a new person an organisation of their own, as its owner."""
    return found_organisation(name=user.name or user.email.partition("@")[0], owner=user)


def found_organisation(*, name: str, owner: User) -> Organisation:
    """Founds an organisation under a free slug and makes ``owner`` its owner, or does neither."""
    name = name.strip()[: _length("name")] or "Organisation"
    with transaction.atomic():
        organisation = _insert_under_free_slug(name)
        Membership.objects.create(organisation=organisation, user=owner, role=Role.OWNER)
    return organisation


def _insert_under_free_slug(name: str) -> Organisation:
    """Tries slugs against the unique index: asking first would lose the race with a twin."""
    for slug in islice(_slugs(name), SLUG_ATTEMPTS):
        try:
            with transaction.atomic():
                return Organisation.objects.create(name=name, slug=slug)
        except IntegrityError:
            if not Organisation.objects.filter(slug=slug).exists():
                raise
    raise RuntimeError(f"No free address found for the organisation {name!r}.")


def _slugs(name: str) -> Iterator[str]:
    """The name as a slug, then the same with a random ending, without end."""
    base = slugify(name)[: _length("slug") - 9].strip("-_") or "organisation"
    yield base
    while True:
        yield f"{base}-{secrets.token_hex(4)}"


def _length(field: str) -> int:
    return getattr(Organisation._meta.get_field(field), "max_length", None) or 0
