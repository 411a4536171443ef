"""How allauth's flows meet our models."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest

from accounts import sign_up
from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):
    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        user.name = form.cleaned_data.get("name", "").strip()
        if not commit or sign_up.invitation_of(request) is None:
            return super().save_user(request, user, form, commit)
        user.belongs_elsewhere = True
        with transaction.atomic():
            user = super().save_user(request, user, form)
            sign_up.settle(request, user)
        return user

    def format_email_subject(self, subject: str) -> str:
        """allauth prefixes the host's name, which says little on a self-hosted machine."""
        return f"CIFAKE: {subject}"


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    """Single sign-on: what the provider calls somebody is the name that colleagues see."""

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user = super().populate_user(request, sociallogin, data)
        longest = User._meta.get_field("name").max_length
        user.name = str(data.get("name") or "").strip()[:longest]
        return user


class MFAAdapter(DefaultMFAAdapter):
    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        """What a passkey is called until somebody calls it something better."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if count == 0 else f"Passkey {count + 1}"
