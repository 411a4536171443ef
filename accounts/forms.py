"""What people fill in."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import ResetPasswordForm as AllauthResetPasswordForm
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.db import transaction
from django.http import HttpRequest

from accounts import confirming, sign_up, sign_up_policy
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

    def clean_email(self) -> str:
        """Before anything is said of accounts: who may not have one learns nothing."""
        rules = sign_up_policy.policy()
        if not rules.admits(self.cleaned_data["email"], invited=self.invitation is not None):
            raise forms.ValidationError(rules.refusal(), "sign_up")
        return super().clean_email()

    def try_save(self, request: HttpRequest) -> Any:
        """Raises IntegrityError, with nothing saved, where another has signed up in this very moment."""
        with transaction.atomic():
            return super().try_save(request)


class ResetPasswordForm(AllauthResetPasswordForm):
    """allauth's form, which would write to whoever has only claimed the address as well."""

    def clean_email(self) -> str:
        email = super().clean_email()
        self.users: list[User] = [
            user for user in self.users if confirming.may_get_password_mail(user, email)
        ]
        return email


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
