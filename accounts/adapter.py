"""How allauth's flows meet our models."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailConfirmation, EmailConfirmationHMAC
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib import messages
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest

from accounts import confirming, sign_up, sso_accounts
from accounts.models import User
from accounts.site import at_site


class AccountAdapter(DefaultAccountAdapter):
    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        if "name" in form.cleaned_data:  # the form after single sign-on has none, and the provider's stays
            user.name = form.cleaned_data["name"].strip()
        if not commit or sign_up.invitation_of(request) is None:
            return super().save_user(request, user, form, commit)
        user.belongs_elsewhere = True
        with transaction.atomic():
            user = super().save_user(request, user, form)
            sign_up.settle(request, user)
        return user

    def get_email_confirmation_url(
        self, request: HttpRequest, emailconfirmation: EmailConfirmation | EmailConfirmationHMAC
    ) -> str:
        return at_site(super().get_email_confirmation_url(request, emailconfirmation))

    def get_reset_password_from_key_url(self, key: str) -> str:
        return at_site(super().get_reset_password_from_key_url(key))

    def format_email_subject(self, subject: str) -> str:
        """allauth prefixes the host's name, which says little on a self-hosted machine."""
        return f"CIFAKE: {subject}"


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Single sign-on: whose account an address opens; what the provider calls somebody is their name here."""

    def authenticate_by_email(self, sociallogin: SocialLogin) -> tuple[User, str] | None:
        for email in _vouched_for(sociallogin):
            if not self.can_authenticate_by_email(sociallogin, email):
                continue
            if user := sso_accounts.owner_of(email):
                return user, email
        return None

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Before anybody is let in: what was claimed without proof falls to whom the provider vouches for."""
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            return
        emails = _vouched_for(sociallogin)
        for email in emails:
            sso_accounts.drop_claims(email)
        user, known = sociallogin.user, sociallogin.account.pk is not None
        if known or user is None or user.pk is None:
            return
        own = [email for email in emails if sso_accounts.owner_of(email) == user]
        if not any(confirming.has_confirmed(user, email) for email in own):
            sso_accounts.hand_over(user, own[0])
            messages.warning(request, sso_accounts.WARNING)

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user = super().populate_user(request, sociallogin, data)
        longest = User._meta.get_field("name").max_length
        user.name = str(data.get("name") or "").strip()[:longest]
        return user


def _vouched_for(sociallogin: SocialLogin) -> list[str]:
    return [each.email for each in sociallogin.email_addresses if each.verified]


class MFAAdapter(DefaultMFAAdapter):
    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "unverified_email": "First confirm your email address: it is needed when your phone is lost.",
    }

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        """What a passkey is called until somebody calls it something better."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if count == 0 else f"Passkey {count + 1}"
