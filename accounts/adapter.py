"""How allauth's flows meet our models."""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.forms import BaseForm
from django.http import HttpRequest

from accounts.models import User


class AccountAdapter(DefaultAccountAdapter):
    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        user.name = form.cleaned_data.get("name", "").strip()
        return super().save_user(request, user, form, commit)

    def format_email_subject(self, subject: str) -> str:
        """allauth prefixes the host's name, which says little on a self-hosted machine."""
        return f"CIFAKE: {subject}"
