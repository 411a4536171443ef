"""allauth's pages of signing up and confirming an address, with what they leave open closed."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import SignupForm
from allauth.account.internal.flows.manage_email import email_already_exists
from allauth.account.stages import EmailVerificationStage, LoginStageController
from allauth.account.views import ConfirmEmailView, SignupView
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse

from accounts.models import User

WRONG = "This is not the account's password."


class SignUp(SignupView):
    """Of several who sign up under one address at the same moment, all but one hear that it is taken."""

    def form_valid(self, form: SignupForm) -> HttpResponse:
        try:
            return super().form_valid(form)
        except IntegrityError:
            if not User.objects.filter(email=form.cleaned_data["email"]).exists():
                raise
            return self._taken(form)

    def _taken(self, form: SignupForm) -> HttpResponse:
        """As it would have been a moment later: what the form says, or the letter to the address."""
        try:
            _, form.account_already_exists = email_already_exists(form.cleaned_data["email"])
        except ValidationError as taken:
            form.add_error("email", taken)
            return self.form_invalid(form)
        return super().form_valid(form)


class ConfirmEmail(ConfirmEmailView):
    """Confirms for whoever knows the account's password, too: signed in, just signing up, or asked for it.

    Else a link in a mail that nobody had asked for would confirm, by one careless press, the account that
    somebody else had set up under the reader's address.
    """

    refused = ""

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        self.object = self.get_object()
        if self._is_stranger() and not self._knows_password():
            return self.render_to_response(self.get_context_data(), status=422)
        return super().post(*args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return {
            **context,
            "asks_password": bool(self.object) and self._is_stranger(),
            "refused": self.refused,
        }

    def _is_stranger(self) -> bool:
        user = self.object.email_address.user
        return self.request.user != user and _signing_in(self.request) != user

    def _knows_password(self) -> bool:
        try:
            password = self.request.POST.get("password", "")
            known = get_adapter().reauthenticate(self.object.email_address.user, password)
        except ValidationError as error:  # too many tries
            self.refused = " ".join(error.messages)
            return False
        self.refused = "" if known else WRONG
        return known


def _signing_in(request: HttpRequest) -> User | None:
    """Whose sign-in waits in this browser for the address to be confirmed."""
    stage = LoginStageController.enter(request, EmailVerificationStage.key)
    return stage.login.user if stage else None  # type: ignore[return-value]
