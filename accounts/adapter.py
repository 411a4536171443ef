"""How allauth's flows meet our models."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.contrib import messages
from django.core.mail import EmailMessage
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest

from accounts import confirming, mail_words, sealing, sign_in_limits, sign_up, sign_up_policy, sso_accounts
from accounts.models import User
from accounts.site import at_site, site_of


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return sign_up_policy.policy().is_open(invited=sign_up.invitation_of(request) is not None)

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

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Wrong passwords count by address and client: whoever types them locks out nobody but themselves.

        Over all clients together there is a wider bound, which leaves out those that the person is known by.
        """
        super().pre_authenticate(request, **credentials)
        email = str(credentials.get("email", ""))
        if sign_in_limits.is_known_client(email, self.get_client_ip(request)):
            return
        everywhere = sign_in_limits.consume(request, email)
        if everywhere is None:
            self._rollback_login_failed_rl_usage()
            raise self.validation_error("too_many_login_attempts")
        self._login_failed_rl_usage.usage.extend(
            everywhere.usage
        )  # given back together if the password is right

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        client = ratelimit.truncate_ip(self.get_client_ip(request))
        return f"{super()._get_login_attempts_cache_key(request, **credentials)}:{client}"

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        super()._delete_login_attempts_cached_email(request, **credentials)
        sign_in_limits.clear(request, str(credentials.get("email", "")))

    def render_mail(
        self, template_prefix: str, email: str, context: dict[str, Any], headers: dict[str, str] | None = None
    ) -> EmailMessage:
        """Every link and every name of this site as it is, whatever host and port the request named."""
        at = {name: at_site(each) if _is_link(each) else each for name, each in context.items()}
        at |= {
            "site": site_of(self.request),
            "user_agent": mail_words.words(str(context.get("user_agent", "")), 200),
        }
        return super().render_mail(template_prefix, email, at, headers)

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

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return sign_up.admits_from_provider(_vouched_for(sociallogin), sociallogin.state.get("next"))

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user = super().populate_user(request, sociallogin, data)
        longest = User._meta.get_field("name").max_length
        user.name = str(data.get("name") or "").strip()[:longest]
        return user


def _is_link(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _vouched_for(sociallogin: SocialLogin) -> list[str]:
    return [each.email for each in sociallogin.email_addresses if each.verified]


class MFAAdapter(DefaultMFAAdapter):
    SEALED = "second factors"  # the purpose of the key: rows are bound to it

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "unverified_email": "First confirm your email address: it is needed when your phone is lost.",
    }

    def encrypt(self, text: str) -> str:
        return sealing.seal(text, self.SEALED)

    def decrypt(self, encrypted_text: str) -> str:
        return sealing.unseal(encrypted_text, self.SEALED)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        """What a passkey is called until somebody calls it something better."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if count == 0 else f"Passkey {count + 1}"
