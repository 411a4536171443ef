"""Events in words: what stands behind the actor's name, and the details under it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from accounts.access import PERMISSIONS
from accounts.models import ErrorRate, Role
from accounts.storage import exact_words
from detection.events import CHOICES as WEBHOOK_EVENTS

# {subject} is who or what it was done to, {words} the details that the sentence names itself.
SENTENCES = {
    "organisation.founded": "founded the organisation",
    "organisation.changed": "changed the settings",
    "organisation.domain_added": "let people with an address at {domain} join as {role}",
    "organisation.domain_removed": "no longer lets people with an address at {domain} join",
    "member.joined": "joined as {role}",
    "member.added": "added {subject} as {role}",
    "member.suspended": "closed the account of {subject}",
    "member.reinstated": "opened the account of {subject} again",
    "member.role_changed": "changed the role of {subject} from {before} to {role}",
    "member.removed": "removed {subject}, who was {role}",
    "member.left": "left. The role was {role}",
    "member.ownership_given": "gave the organisation to {subject} and stays as an admin",
    "member.looked_through": "took the account over and looked through who is here",
    "invitation.sent": "invited {subject} as {role}",
    "invitation.resent": "sent {subject} a new link for the invitation as {role}",
    "invitation.revoked": "withdrew the invitation of {subject}",
    "invitation.declined": "declined the invitation to {subject}",
    "key.made": "made the API key {subject}",
    "key.changed": "changed the API key {subject}",
    "key.rotated": "made a new value for the API key {subject}",
    "key.revoked": "revoked the API key {subject}",
    "key.values_ended": "ended the values of the API key {subject}: whoever saw them may be another "
    "person than the one who signs in now",
    "webhook.made": "made a webhook to {url}",
    "webhook.changed": "changed the webhook to {url}",
    "webhook.deleted": "deleted the webhook to {url}",
    "batch.made": "began the batch {subject}",
    "batch.cancelled": "cancelled the batch {subject}",
    "batch.completed": "finished the batch {subject}",
    "batch.deleted": "deleted the batch {subject}",
    "detection.deleted": "deleted the result of {subject}",
    "detection.trashed": "moved the result of {subject} to the trash",
    "detection.restored": "restored the result of {subject} from the trash",
    "detection.removed": "removed the result of {subject} from the trash for good",
}

LABELS = {
    "addresses": "May be used from",
    "domain": "By an address at",
    "error_rate": "Wrong answers, at most",
    "events": "Told of",
    "expires_at": "Value works until",
    "invited_as": "Invited under",
    "keep_files_days": "Days that files are kept",
    "keep_records_days": "Days that records are kept",
    "old_until": "Old values work until",
    "per_minute": "Requests a minute",
    "per_month": "Images a month",
    "require_mfa": "Second step at sign-in",
    "scopes": "May",
    "storage_quota_bytes": "Storage, at most",
}

# What stands for nothing, where that is not simply none of it.
WITHOUT = {
    "addresses": "everywhere",
    "expires_at": "without end",
    "keep_files_days": "without end",
    "keep_records_days": "without end",
    "per_month": "without limit",
    "storage_quota_bytes": "as for the whole site",
}

# Said by the sentence, or by the names in it.
SILENT = {"email", "name", "url", "webhook", "key", "id", "reference", "state"}
MOMENTS = {"expires_at", "old_until"}
NONE = "none"


def words(event: str, subject: str, details: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """The sentence behind the actor's name, and what is left to say as pairs of label and value."""
    sentence = SENTENCES.get(event) or _unknown(event)
    if event.startswith("batch.") and not details.get("name", details.get("reference", subject)):
        subject = "without a name"  # instead of the number that stands for it
    named = {key: _value(key, value) for key, value in details.items()}
    said = sentence.format_map(_Gaps(named, subject=subject or NONE))
    left = {key: value for key, value in details.items() if "{" + key + "}" not in sentence}
    if left.get("invited_as") == details.get("email"):
        left.pop("invited_as", None)
    return said, _pairs(left)


class _Gaps(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return NONE


def _unknown(event: str) -> str:
    """An event that nobody has found words for yet: its own, so that nothing is left out."""
    about, _, done = event.partition(".")
    braces = str.maketrans({"{": "", "}": ""})
    return f"{done.replace('_', ' ')} ({about}): ".translate(braces) + "{subject}"


def _pairs(details: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for key, value in details.items():
        if key == "changed" and isinstance(value, dict):
            pairs += [(_label(each), _change(each, both)) for each, both in value.items()]
        elif key not in SILENT:
            pairs.append((_label(key), _value(key, value)))
    return pairs


def _change(key: str, both: Any) -> str:
    if isinstance(both, list) and len(both) == 2:
        return f"{_value(key, both[0])} → {_value(key, both[1])}"
    return _value(key, both)


def _label(key: str) -> str:
    return LABELS.get(key) or key.replace("_", " ").capitalize()


def _value(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ("", []):
        return WITHOUT.get(key, NONE)
    if isinstance(value, list | tuple):
        return ", ".join(_value(key, each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{_label(each)}: {_value(each, inner)}" for each, inner in value.items())
    return _word(key, str(value))


def _word(key: str, text: str) -> str:
    if key in ("role", "before"):
        return str(Role(text).label).lower() if text in Role.values else text
    if key == "error_rate" and text in ErrorRate.values:
        return f"{float(text):.1%}"
    if key in MOMENTS:
        return _moment(text)
    if key == "storage_quota_bytes" and text.isdecimal():
        return exact_words(int(text)) if int(text) else "no limit"
    if key == "scopes":
        return PERMISSIONS.get(text, text).lower()
    return WEBHOOK_EVENTS.get(text, text).lower() if key == "events" else text


def _moment(text: str) -> str:
    """In the organisation's time zone, as everything on its pages; what is no moment stays as it is."""
    try:
        local = timezone.localtime(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return text
    return f"{local.day} {local:%B %Y, %H:%M}"
