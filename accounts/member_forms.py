"""What people fill in about members and invitations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django import forms

from accounts import invitations
from accounts.errors import Refused
from accounts.models import Organisation, Role

LONGEST_LIST = invitations.MOST_AT_ONCE * 260  # letters: of addresses as long as they come


class InviteForm(forms.Form):
    """One or more addresses, and the role that they are invited to."""

    emails = forms.CharField(
        label="Email addresses",
        max_length=LONGEST_LIST,
        help_text=f"One or more, up to {invitations.MOST_AT_ONCE}: separated by commas, spaces or lines.",
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Enter at least one email address."},
    )
    role = forms.ChoiceField(
        label="Role", initial=Role.MEMBER, help_text="What each role may do stands at the end of this page."
    )

    def __init__(self, *args: Any, roles: Sequence[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _choices(roles)  # type: ignore[attr-defined]

    def clean_emails(self) -> list[str]:
        """Refused with the word that is no address."""
        words = [word for word in re.split(r"[\s,;]+", self.cleaned_data["emails"]) if word]
        try:
            return invitations.addresses(words)
        except Refused as refused:
            raise forms.ValidationError(str(refused), refused.code) from None


class RoleForm(forms.Form):
    role = forms.ChoiceField(error_messages={"required": "Choose a role."})

    def __init__(self, *args: Any, roles: Sequence[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _choices(roles)  # type: ignore[attr-defined]


class FoundForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=Organisation._meta.get_field("name").max_length,
        help_text="Its address is made from it, and stays when you rename it later.",
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
        error_messages={"required": "Give it a name."},
    )


def _choices(roles: Sequence[Role]) -> list[tuple[str, str]]:
    return [(role.value, str(role.label)) for role in roles]
