"""Forms of an organisation's settings, and of a person's own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import storage
from accounts.domains import JOINERS
from accounts.models import Organisation, SignUpRule, User
from accounts.organisations import LONGEST_KEPT_DAYS, General, time_zones
from accounts.roles import WORDS
from accounts.single_files import OneFileField, OneFileInput


def _zones() -> Iterator[tuple[str, Any]]:
    """The time zones by part of the world, as a list that people find their city in."""
    yield ("UTC", "UTC")
    for region, names in groupby(time_zones()[1:], key=lambda name: name.partition("/")[0]):
        cities = [(name, name.partition("/")[2].replace("_", " ").replace("/", ", ")) for name in names]
        yield (region, cities)


def _days(label: str, help_text: str) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, help_text=help_text, required=False, min_value=1, max_value=LONGEST_KEPT_DAYS
    )


class GeneralForm(forms.Form):
    name = forms.CharField(max_length=Organisation._meta.get_field("name").max_length)
    time_zone = forms.ChoiceField(
        choices=lambda: list(_zones()), help_text="Dates and times on the pages are shown in it."
    )
    keep_files_days = _days("Days to keep images", "Empty: for good.")
    keep_records_days = _days("Days to keep results", "Empty: for good. Images go with them at the latest.")

    def wanted(self) -> General:
        """What a valid form asks for; spaces in a row count as one."""
        data = dict(self.cleaned_data)
        return General(**{**data, "name": " ".join(data["name"].split())})


class LogoForm(forms.Form):
    logo = OneFileField(
        label="Picture",
        help_text="PNG, JPEG or WebP, up to 2 MB. It is made at most 256 pixels wide and high.",
        widget=OneFileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )


class DomainForm(forms.Form):
    """``domains`` are those at which the acting person has a confirmed address."""

    domain = forms.ChoiceField(help_text="Domains of your own confirmed email addresses.")
    role = forms.ChoiceField(
        label="They join as", choices=[(role, f"{role.label}: {WORDS[role]}") for role in JOINERS]
    )

    def __init__(self, *args: Any, domains: set[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["domain"].choices = [(each, each) for each in sorted(domains)]  # type: ignore[attr-defined]


class SignUpRuleForm(forms.ModelForm):
    class Meta:
        model = SignUpRule
        fields = ("mode", "domains")

    def clean_domains(self) -> str:
        """An address that nobody has confirmed is anybody's: it must not open what its domain is to open."""
        domains = self.cleaned_data["domains"]
        if domains.strip() and settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory":
            raise forms.ValidationError(
                "Set EMAIL_VERIFICATION=mandatory first: else nobody's address is confirmed."
            )
        return domains


class BytesField(forms.Field):
    """A number of bytes, written as people do: “10 GB”."""

    def prepare_value(self, value: Any) -> Any:
        return storage.exact_words(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> int | None:
        try:
            return storage.size_from(value) if value and value.strip() else None
        except ValueError:
            raise forms.ValidationError("Enter a size as in 500 MB, 10 GB or 1.5 TB.", "size") from None


class OrganisationAdminForm(forms.ModelForm):
    storage_quota_bytes = BytesField(
        label="Storage quota",
        help_text="As in 10 GB. 0: no limit. Empty: as STORAGE_QUOTA_BYTES in the environment says.",
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = Organisation
        exclude = ()  # noqa: DJ006  # the admin chooses


class ProfileForm(forms.ModelForm):
    class Meta:
        model = User
        fields = ("name",)
        labels = {"name": "Your name"}
        help_texts = {"name": "It stands beside the images that you check. Empty: your email address."}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name"})}
