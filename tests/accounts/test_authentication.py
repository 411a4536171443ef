"""The way in for programs: which value of a key opens what, when, and from where."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone
from knox.models import get_digest_token
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from accounts import access, keys
from accounts.api_base import ApiView
from accounts.authentication import (
    CLOSED,
    EXPIRED,
    REVOKED,
    UNKNOWN,
    KeyAuthentication,
    KeyScheme,
    KeyUser,
)
from accounts.models import ApiKey, KeySecret, Membership, Role, User

pytestmark = pytest.mark.django_db


class Echo(ApiView):
    permissions = {"GET": access.READ}

    def get(self, request):
        return Response({"organisation": request.auth.organisation.slug, "who": str(request.user)})


def call(value: str | None, scheme: str = "Bearer", **extra):
    if value is not None:
        extra["HTTP_AUTHORIZATION"] = f"{scheme} {value}"
    return Echo.as_view()(APIRequestFactory().get("/api/v1/", **extra))


def said(response) -> str:
    return json.loads(response.content)["detail"]


def principal_of(value: str, **extra):
    request = RequestFactory().get("/api/v1/", HTTP_AUTHORIZATION=f"Bearer {value}", **extra)
    return KeyAuthentication().authenticate(request)


def test_a_key_opens_its_organisation_as_itself(make_key, principal):
    key, value = make_key(principal, name="Content system")
    assert value.startswith("cfk_")
    assert call(value).data == {"organisation": principal.organisation.slug, "who": "API key Content system"}
    user, found = principal_of(value)
    assert (found.user, found.key, found.organisation) == (None, key, principal.organisation)
    assert (user.is_authenticated, user.is_active, user.is_staff, user.pk) == (True, False, False, None)


@pytest.mark.parametrize(
    "value",
    ["cfk_", "cfk_" + 64 * "0", "Ünicode", "cfk_\x00", 5000 * "x", "a b", ""],
)
def test_what_is_no_key_is_refused_with_a_sentence(make_key, value):
    make_key()
    response = call(value)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert said(response).endswith(".")


def test_the_right_beginning_alone_opens_nothing(make_key):
    _, value = make_key()
    assert said(call(value[:-1] + ("0" if value[-1] != "0" else "1"))) == UNKNOWN
    assert call(value[:15]).status_code == 401


@pytest.mark.parametrize("scheme", ["Token", "Basic", "cfk"])
def test_other_schemes_are_no_way_in(make_key, scheme):
    _, value = make_key()
    response = call(value, scheme)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")


def test_a_stranger_is_told_how_to_come_in():
    assert call(None)["WWW-Authenticate"] == "Bearer"


def test_a_browser_session_is_no_way_in(client, member_client):
    request = APIRequestFactory().get("/api/v1/")
    request.session, request.user = member_client.session, User.objects.first()
    assert Echo.as_view()(request).status_code == 401


def test_a_revoked_key_is_refused_on_the_very_next_request(make_key, principal):
    key, value = make_key(principal)
    assert call(value).status_code == 200
    keys.revoke(principal=principal, pk=key.pk)
    response = call(value)
    assert (response.status_code, said(response)) == (401, REVOKED)


def test_an_expired_value_is_refused_and_stays_on_record(make_key):
    key, value = make_key()
    key.secrets.update(expiry=timezone.now())
    assert said(call(value)) == EXPIRED
    assert key.secrets.count() == 1


def test_a_value_that_ends_later_still_opens(make_key):
    _, value = make_key(expires_at=timezone.now() + timedelta(seconds=60))
    assert call(value).status_code == 200


class TestWhoSawTheValue:
    def test_it_rests_while_they_are_no_member(self, make_organisation, make_member, make_key):
        organisation = make_organisation()
        admin = make_member(organisation, Role.ADMIN)
        _, value = make_key(access.principal_for(admin, organisation.slug))
        Membership.objects.filter(user=admin, organisation=organisation).delete()
        assert said(call(value)) == CLOSED
        make_member(organisation, Role.ADMIN, admin)
        assert call(value).status_code == 200

    def test_it_rests_while_they_are_suspended(self, make_key, principal):
        _, value = make_key(principal)
        User.objects.filter(pk=principal.user.pk).update(is_active=False)
        assert said(call(value)) == CLOSED

    def test_it_may_no_more_than_they_may_today(self, make_key, principal):
        key, value = make_key(principal, [access.READ, access.WRITE, access.MEMBERS_WRITE])
        Membership.objects.filter(user=principal.user).update(role=Role.MEMBER)
        _, found = principal_of(value)
        assert [each for each in access.PERMISSIONS if found.may(each)] == [access.READ, access.WRITE]
        key.refresh_from_db()
        assert access.MEMBERS_WRITE in key.scopes

    def test_it_goes_with_their_account_and_the_key_stays(self, make_principal, make_key):
        admin = make_principal("admin")
        key, value = make_key(admin)
        admin.user.delete()
        assert said(call(value)) == UNKNOWN
        assert ApiKey.objects.filter(pk=key.pk).exists()

    def test_a_colleague_who_rotates_keeps_the_programs_running(self, make_principal, make_key):
        leaving = make_principal("admin")
        colleague = make_principal("admin", leaving.organisation)
        key, old = make_key(leaving)
        _, new = keys.rotate(principal=colleague, pk=key.pk)
        Membership.objects.filter(user=leaving.user, organisation=leaving.organisation).delete()
        assert (call(old).status_code, call(new).status_code) == (401, 200)

    def test_a_value_made_on_the_machine_is_nobodys(self, make_organisation):
        key = ApiKey.objects.create(organisation=make_organisation(), name="x", scopes=[access.READ])
        digest, value = get_digest_token()
        KeySecret(key=key, digest=digest, token_key=value[:15]).save()
        assert call(value).status_code == 200


class TestAddresses:
    @pytest.mark.parametrize(
        ("listed", "address", "status"),
        [
            (["192.0.2.0/24"], "192.0.2.77", 200),
            (["192.0.2.0/24"], "192.0.3.77", 403),
            (["192.0.2.7"], "192.0.2.7", 200),
            (["198.51.100.0/24", "2001:db8::/32"], "2001:db8::1", 200),
            (["192.0.2.0/24"], "::ffff:192.0.2.9", 200),
            (["::ffff:192.0.2.0/120"], "192.0.2.9", 200),
            (["192.0.2.0/24"], "2001:db8::1", 403),
            (["0.0.0.0/0"], "203.0.113.5", 200),
            (["192.0.2.0/24"], "", 403),
            ([], "203.0.113.5", 200),
        ],
    )
    def test_only_those_listed_may_call(self, make_key, listed, address, status):
        _, value = make_key(addresses=listed)
        assert call(value, REMOTE_ADDR=address).status_code == status

    def test_the_refusal_names_the_address(self, make_key):
        _, value = make_key(addresses=["192.0.2.0/24"])
        refused = call(value, REMOTE_ADDR="203.0.113.5")
        assert "203.0.113.5" in said(refused)

    def test_a_forged_header_does_not_count(self, make_key):
        _, value = make_key(addresses=["192.0.2.0/24"])
        forged = {"REMOTE_ADDR": "203.0.113.5", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}
        assert call(value, **forged).status_code == 403

    @pytest.mark.parametrize(
        ("proxies", "header", "status"),
        [
            (1, "192.0.2.7", 200),
            (1, "192.0.2.7, 203.0.113.5", 403),
            (2, "192.0.2.7, 10.0.0.1", 200),
            (2, "x", 403),
        ],
    )
    def test_behind_trusted_proxies_their_word_counts(self, make_key, settings, proxies, header, status):
        settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
        _, value = make_key(addresses=["192.0.2.0/24"])
        assert call(value, REMOTE_ADDR="10.0.0.2", HTTP_X_FORWARDED_FOR=header).status_code == status

    def test_a_refused_call_is_no_use_of_the_key(self, make_key):
        key, value = make_key(addresses=["192.0.2.0/24"])
        call(value, REMOTE_ADDR="203.0.113.5")
        key.refresh_from_db()
        assert key.last_used_at is None


def test_last_used_is_written_once_a_minute(make_key, django_assert_num_queries):
    key, value = make_key()
    with django_assert_num_queries(2):
        call(value)
    key.refresh_from_db()
    first = key.last_used_at
    with django_assert_num_queries(1):  # secret, key and organisation together
        call(value)
    key.refresh_from_db()
    assert key.last_used_at == first
    ApiKey.objects.filter(pk=key.pk).update(last_used_at=first - timedelta(minutes=1))
    call(value)
    key.refresh_from_db()
    assert key.last_used_at >= first


@pytest.mark.django_db(transaction=True)
def test_the_gate_holds_while_a_key_is_revoked(make_key, make_principal):
    """Many callers, one of whom revokes: nobody who starts after that gets in."""
    principal = make_principal()
    key, value = make_key(principal)
    revoked, late, lock = threading.Event(), [], threading.Lock()

    def caller() -> None:
        try:
            for _ in range(20):
                after = revoked.is_set()
                status = call(value).status_code
                with lock:
                    late.append((after, status))
        finally:
            connection.close()

    threads = [threading.Thread(target=caller) for _ in range(8)]
    for thread in threads:
        thread.start()
    keys.revoke(principal=principal, pk=key.pk)
    revoked.set()
    for thread in threads:
        thread.join()
    assert all(status in (401, 429) for after, status in late if after)  # 429: too many wrong ones
    assert call(value, REMOTE_ADDR="192.0.2.1").status_code == 401


def test_openapi_calls_it_a_bearer_token():
    definition = KeyScheme(KeyAuthentication()).get_security_definition(None)
    assert (definition["type"], definition["scheme"]) == ("http", "bearer")


def test_nobody_owns_what_a_key_does(make_key):
    key, _ = make_key()
    user = KeyUser(key)
    assert not user.has_perm("accounts.view_user")
    assert list(user.groups.all()) == []
