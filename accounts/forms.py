"""What people fill in."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms

from accounts import sign_up
from accounts.models import ErrorRate, User


class SignupForm(AllauthSignupForm):
    """allauth's form, and the name under which colleagues see who checked what."""

    name = forms.CharField(
        label="Your name",
        max_length=User._meta.get_field("name").max_length,
        required=False,
        help_text="Optional. It stands beside the images that you check.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    field_order = ("name", "email", "password1", "password2")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(self.field_order)
        self.invitation = sign_up.fit(self)


class AddPasskeyForm(AddWebAuthnForm):
    """allauth's form, in plain words. Whatever can sign in by itself is a passkey; else a second step."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = "Name"
        self.fields["name"].help_text = "So that you can tell it from others: “Work laptop”, for example."
        alone = self.fields["passwordless"]
        alone.label, alone.initial = "Sign in with it alone, without the password", True
        alone.help_text = (
            "It then asks for your fingerprint, face or PIN. Clear this for a simple security key."
        )


class ErrorRateForm(forms.Form):
    """How sure the model must be before it gives an answer."""

    error_rate = forms.ChoiceField(choices=ErrorRate.choices, widget=forms.RadioSelect)
