"""Writes of an organisation's own settings. Each tells what changed, from what to what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import Any, Literal
from zoneinfo import available_timezones

from django.core.files.base import ContentFile
from django.db import transaction

from accounts.access import SETTINGS, Principal
from accounts.errors import Refused
from accounts.logos import logo_from
from accounts.members import held
from accounts.models import ErrorRate, Organisation
from accounts.second_factor import has_second_factor
from accounts.signals import happened

LONGEST_KEPT_DAYS = 36_500  # a hundred years


@dataclass(frozen=True)
class General:
    """What an organisation is called, its time zone, and how long things are kept (None: for good)."""

    name: str
    time_zone: str
    keep_files_days: int | None = None
    keep_records_days: int | None = None

    @classmethod
    def of(cls, organisation: Organisation) -> General:
        return cls(**{field: getattr(organisation, field) for field in cls.__dataclass_fields__})


@cache
def time_zones() -> tuple[str, ...]:
    """The names that people may choose from: places, and UTC."""
    places = {name for name in available_timezones() if "/" in name and not name.startswith("Etc/")}
    return ("UTC", *sorted(places))


def change(*, principal: Principal, wanted: General) -> None:
    """Sets all of it. What is the same already is no change.

    Raises:
        PermissionDenied: the principal may not change settings.
        Refused: ``name``, ``time_zone``, ``keep_files_days`` or ``keep_records_days`` makes no sense.
    """
    change_fields(principal=principal, fields=asdict(wanted))


def change_fields(*, principal: Principal, fields: Mapping[str, Any]) -> None:
    """Sets those fields of ``General`` that are given; the others stay as they are at that moment.

    Raises:
        PermissionDenied: the principal may not change settings.
        Refused: as ``change``.
    """
    with _changing(principal) as organisation:
        wanted = replace(General.of(organisation), **fields)
        _require_sense(wanted)
        for field, value in asdict(wanted).items():
            setattr(organisation, field, value)


def set_logo(*, principal: Principal, data: bytes) -> None:
    """Takes the picture in; the old one goes once the new one is on record.

    Raises:
        PermissionDenied: the principal may not change settings.
        Refused: ``logo``: not a picture that is taken.
    """
    picture = ContentFile(logo_from(data))
    with _changing(principal) as organisation:
        organisation.logo.save("logo", picture, save=False)


def remove_logo(*, principal: Principal) -> None:
    """Raises PermissionDenied if the principal may not change settings."""
    with _changing(principal) as organisation:
        organisation.logo = ""


def require_second_factor(*, principal: Principal, required: bool) -> None:
    """From now on, members without a second factor are asked for one before they see anything.

    Raises:
        PermissionDenied: the principal may not change settings.
        Refused: ``person``: a key cannot decide this; ``second_factor``: the acting person has none.
    """
    with _changing(principal) as organisation:
        if principal.user is None:
            raise Refused("person", "Only a person can decide this. Sign in to change it.")
        if required and not has_second_factor(principal.user):
            raise Refused(
                "second_factor", "Set up a second step for yourself first, or you would be shut out."
            )
        organisation.require_mfa = required


def choose_error_rate(*, principal: Principal, error_rate: ErrorRate) -> None:
    """How sure an answer must be, for the images submitted from now on.

    Raises:
        PermissionDenied: the principal's role may not change settings.
    """
    with _changing(principal) as organisation:
        organisation.error_rate = error_rate


@contextmanager
def _changing(principal: Principal) -> Iterator[Organisation]:
    """The organisation as it is now, to be changed: saved, told, and old files cleared away."""
    with held(principal, SETTINGS) as current:
        organisation = Organisation.objects.get(pk=current.organisation.pk)
        before = settings_of(organisation)
        try:
            yield organisation
            _save(current, organisation, before)
        except BaseException:
            _forget_file(organisation, unless=before["logo"])
            raise
    for field in settings_of(organisation):  # whoever goes on with the principal sees what is true now
        setattr(principal.organisation, field, getattr(organisation, field))


def _save(principal: Principal, organisation: Organisation, before: dict[str, Any]) -> None:
    changed = _changed(organisation, before)
    if not changed:
        return
    organisation.save(update_fields=list(changed))
    if before["logo"] and "logo" in changed:
        old = before["logo"]
        transaction.on_commit(partial(organisation.logo.storage.delete, old))
    tell_changes(principal, organisation, before)


def tell_changes(principal: Principal, organisation: Organisation, before: dict[str, Any]) -> None:
    """Tells what is no longer as ``settings_of`` gave it, if anything."""
    changed = _changed(organisation, before)
    if not changed:
        return
    details = {"changed": {**changed, **({"logo": _in_words(changed)} if "logo" in changed else {})}}
    happened.send(
        sender=Organisation,
        principal=principal,
        event="organisation.changed",
        subject=organisation,
        details=details,
    )


def _changed(organisation: Organisation, before: dict[str, Any]) -> dict[str, list[Any]]:
    after = settings_of(organisation)
    return {field: [before[field], after[field]] for field in after if before[field] != after[field]}


def settings_of(organisation: Organisation) -> dict[str, Any]:
    """What ``change``, its neighbours and the admin change, to compare with later."""
    fields = (*General.__dataclass_fields__, "error_rate", "require_mfa", "storage_quota_bytes")
    return {**{field: getattr(organisation, field) for field in fields}, "logo": organisation.logo.name or ""}


def _in_words(changed: dict[str, list[Any]]) -> list[str]:
    """Names on the disk say nothing to anybody."""
    return ["a picture" if name else "none" for name in changed["logo"]]


def _forget_file(organisation: Organisation, *, unless: str) -> None:
    name = organisation.logo.name or ""
    if name and name != unless:
        organisation.logo.storage.delete(name)


Field = Literal["keep_files_days", "keep_records_days"]


def _require_sense(wanted: General) -> None:
    longest = Organisation._meta.get_field("name").max_length or 0
    if not wanted.name.strip() or len(wanted.name) > longest or not wanted.name.isprintable():
        raise Refused("name", f"Give the organisation a name of 1 to {longest} characters, on one line.")
    if wanted.time_zone not in time_zones():
        raise Refused("time_zone", "This time zone is not known. Choose one from the list.")
    _require_days("keep_files_days", wanted.keep_files_days)
    _require_days("keep_records_days", wanted.keep_records_days)
    files, records = wanted.keep_files_days, wanted.keep_records_days
    if files and records and files > records:
        raise Refused("keep_files_days", "Images cannot be kept longer than the results that belong to them.")


def _require_days(field: Field, days: int | None) -> None:
    if days is not None and not 1 <= days <= LONGEST_KEPT_DAYS:
        raise Refused(
            field, "Enter a number of days from 1 to 36,500, or leave it empty to keep them for good."
        )
