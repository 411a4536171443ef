"""Forms of API keys. What makes sense is for accounts.key_rules to say; these read what people type."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts import key_rules
from accounts.access import PERMISSIONS, READ, SCOPES, TAKES, WRITE, Principal
from accounts.models import ApiKey

NEVER = "never"
ALONE = "“{}” works only together with “{}”. Choose both, or neither."
TERMS = [("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), (NEVER, "Never")]
OVERLAPS = [
    ("0", "Stops at once"),
    ("1", "Goes on for an hour"),
    ("24", "Goes on for a day"),
    ("168", "Goes on for a week"),
]


class ServiceForm(forms.Form):
    """A form whose service has the last word: its errors stand beside the fields."""

    OURS: ClassVar[dict[str, str]] = {"expires_at": "term", "overlap_hours": "overlap"}  # by services' names

    def refuse(self, error: ValidationError) -> None:
        """Adds what a service refused: by field, or for the form as a whole."""
        if not hasattr(error, "error_dict"):
            self.add_error(None, error)
            return
        for name, said in error.message_dict.items():
            ours = self.OURS.get(name, name)
            self.add_error(ours if ours in self.fields else None, said)


class KeyForm(ServiceForm):
    """What a key may do, from where and how much."""

    name = forms.CharField(
        label="Name",
        max_length=key_rules.LONGEST_NAME,
        help_text="Of the program that will use it, as in “Content system”. The record shows it.",
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one thing that the key may do."},
        help_text="As little as the program needs. Checking images takes the first two, and who changes "
        "members must see them.",
    )
    addresses = forms.CharField(
        label="From where",
        required=False,
        max_length=60 * key_rules.MOST_ADDRESSES,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="Addresses or networks of the program, one a line, as in 192.0.2.7 or 192.0.2.0/24. "
        "None: from everywhere.",
    )
    per_minute = forms.IntegerField(
        label="Requests a minute",
        min_value=1,
        max_value=key_rules.MOST_A_MINUTE,
        initial=ApiKey._meta.get_field("per_minute").default,
        help_text="More are refused until the next minute.",
    )
    per_month = forms.IntegerField(
        label="Images a month",
        required=False,
        min_value=1,
        max_value=key_rules.MOST_A_MONTH,
        help_text="Leave it empty for no limit. Months are those of UTC.",
    )

    def __init__(self, *args: Any, principal: Principal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = _choices(principal)  # type: ignore[attr-defined]

    def clean_scopes(self) -> list[str]:
        """What would open nothing alone is refused, and not widened in silence."""
        chosen = self.cleaned_data["scopes"]
        lacking = [each for each in chosen if TAKES.get(each, each) not in chosen]
        if lacking:
            raise ValidationError(
                [ALONE.format(PERMISSIONS[each], PERMISSIONS[TAKES[each]]) for each in lacking]
            )
        return chosen

    def clean_addresses(self) -> list[str]:
        return [each for each in re.split(r"[\s,;]+", self.cleaned_data["addresses"]) if each]

    def wanted(self) -> dict[str, Any]:
        """What accounts.keys takes."""
        return {name: self.cleaned_data[name] for name in KeyForm.base_fields}


class NewKeyForm(KeyForm):
    term = forms.ChoiceField(
        label="When it ends",
        choices=TERMS,
        initial="90",
        help_text="A key that is forgotten then harms nobody. You can give it a new value at any time.",
    )
    once = forms.SlugField(widget=forms.HiddenInput, max_length=64, required=False)

    def __init__(self, *args: Any, principal: Principal, **kwargs: Any) -> None:
        super().__init__(*args, principal=principal, **kwargs)
        self.fields["scopes"].initial = [READ, WRITE]
        self.order_fields(["name", "scopes", "term", "addresses", "per_minute", "per_month", "once"])

    def wanted(self) -> dict[str, Any]:
        return {**super().wanted(), "expires_at": _moment(self.cleaned_data["term"])}


class RotateForm(ServiceForm):
    overlap = forms.ChoiceField(
        label="The value that works now",
        choices=OVERLAPS,
        initial="24",
        help_text="So much time you have to put the new value into your programs.",
    )
    term = forms.ChoiceField(label="When the new value ends", choices=TERMS, initial="90")
    once = forms.SlugField(widget=forms.HiddenInput, max_length=64, required=False)

    def wanted(self) -> dict[str, Any]:
        """What accounts.keys.rotate takes."""
        return {
            "overlap_hours": int(self.cleaned_data["overlap"]),
            "expires_at": _moment(self.cleaned_data["term"]),
        }


def stored(key: ApiKey) -> dict[str, Any]:
    """The fields of a key as its form shows them."""
    values = {name: getattr(key, name) for name in KeyForm.base_fields}
    return {**values, "addresses": "\n".join(key.addresses)}


def _choices(principal: Principal) -> Iterable[tuple[str, str]]:
    """What the principal may give away, in the order of the gate's table."""
    return [(name, words) for name, words in PERMISSIONS.items() if name in SCOPES and principal.may(name)]


def _moment(term: str) -> datetime | None:
    return None if term == NEVER else timezone.now() + timedelta(days=int(term))
