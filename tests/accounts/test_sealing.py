"""Whoever reads the database alone cannot use what is in it; the admin shows no secret at all."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialToken
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.sessions.models import Session
from django.test import RequestFactory

from accounts import sealing
from accounts.models import ApiKey, Invitation, KeySecret
from detection.models import Webhook

SECRET = "JBSWY3DPEHPK3PXP"
migration = importlib.import_module("accounts.migrations.0008_seal_second_factors")


@pytest.fixture
def _new_key(settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"


class TestSealing:
    def test_it_opens_again_and_shows_nothing(self):
        sealed = sealing.seal(SECRET, "x")
        assert SECRET not in sealed
        assert sealing.unseal(sealed, "x") == SECRET

    def test_not_for_another_purpose(self):
        with pytest.raises(sealing.Unreadable):
            sealing.unseal(sealing.seal(SECRET, "x"), "y")

    @pytest.mark.parametrize("text", ["", SECRET, "gAAAA"])
    def test_not_what_was_never_sealed(self, text):
        with pytest.raises(sealing.Unreadable):
            sealing.unseal(text, "x")

    def test_under_the_secret_key_before_while_that_is_known(self, settings):
        sealed = sealing.seal(SECRET, "x")
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
        assert sealing.unseal(sealed, "x") == SECRET
        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(sealing.Unreadable):
            sealing.unseal(sealed, "x")


@pytest.mark.django_db
class TestSecondFactors:
    def test_an_apps_secret(self, make_user, code):
        totp = TOTP.activate(make_user(), SECRET)
        assert SECRET not in json.dumps(Authenticator.objects.get().data)
        assert totp.validate_code(code(SECRET))

    def test_recovery_codes(self, make_user):
        codes = RecoveryCodes.activate(make_user())
        shown = codes.get_unused_codes()
        data = json.dumps(Authenticator.objects.get().data)
        assert len(data) > 100
        assert not any(each in data for each in shown)
        assert codes.validate_code(shown[0])

    def test_what_stood_in_plain_text_is_sealed_and_goes_on_working(self, make_user, code):
        plain = {
            "totp": {"secret": SECRET},
            "recovery_codes": {"seed": "ab" * 40, "used_mask": 0},
            "webauthn": {"name": "Laptop", "credential": {}},
        }
        user, other = make_user(), make_user()
        for kind, data in plain.items():
            Authenticator.objects.create(user=user, type=kind, data=data)
        migrated = {"migrated_codes": ["12345678", "87654321"]}
        Authenticator.objects.create(user=other, type="recovery_codes", data=migrated)
        migration.seal(apps, SimpleNamespace())
        stored = " ".join(json.dumps(each.data) for each in Authenticator.objects.all())
        assert not any(each in stored for each in (SECRET, "ab" * 40, *migrated["migrated_codes"]))
        assert TOTP(Authenticator.objects.get(type="totp")).validate_code(code(SECRET))
        codes = RecoveryCodes(Authenticator.objects.get(user=other))
        assert codes.get_unused_codes() == ["12345678", "87654321"]
        migration.unseal(apps, SimpleNamespace())
        found = {each.type: each.data for each in Authenticator.objects.filter(user=user)}
        assert found == plain

    def test_one_that_does_not_open_lets_nobody_in(self, make_user, code):
        totp = Authenticator.objects.create(user=make_user(), type="totp", data={"secret": SECRET})
        with pytest.raises(sealing.Unreadable):
            TOTP(totp).validate_code(code(SECRET))


class TestAdmin:
    SECRETS = (
        "data",
        "secret",
        "digest",
        "token",
        "session",
        "password_hash",
        "extra_data",
        "archive",
        "seed",
    )

    @pytest.mark.parametrize(
        "model", [UserSession, Session, SocialToken, KeySecret, ApiKey, Invitation, Webhook]
    )
    def test_what_opens_something_is_not_in_it(self, model):
        assert not admin.site.is_registered(model)

    @pytest.mark.django_db
    @pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model.__name__)
    def test_no_page_has_a_field_of_secrets(self, model, make_user):
        request = RequestFactory().get("/admin/")
        request.user = make_user(is_staff=True, is_superuser=True)
        page = admin.site._registry[model]
        # The token of a StageRun is that of its lease: it opens nothing.
        leases = {"token"} if model.__name__ == "StageRun" else set()
        shown = {*flatten_fieldsets(page.get_fieldsets(request)), *map(str, page.get_list_display(request))}
        assert not [
            each for each in shown - leases if each in self.SECRETS or "secret" in each or "token" in each
        ]

    def test_a_lost_second_factor_is_taken_away_and_not_seen(self, admin_client, make_user):
        TOTP.activate(make_user(), SECRET)
        row = Authenticator.objects.get()
        page = admin_client.get(f"/admin/mfa/authenticator/{row.pk}/change/").content.decode()
        assert row.data["secret"] not in page
        admin_client.post(f"/admin/mfa/authenticator/{row.pk}/delete/", {"post": "yes"})
        assert not Authenticator.objects.exists()
