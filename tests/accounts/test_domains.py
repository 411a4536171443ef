"""Joining by domain: who may open the door, who may come in, and what happens at the same moment."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404
from django.urls import reverse
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import domains
from accounts.access import principal_for
from accounts.errors import Refused
from accounts.models import JoinDomain, Membership, Role
from accounts.public_mail import plain
from accounts.signals import happened

pytestmark = pytest.mark.django_db


def confirm(user, email: str, verified: bool = True) -> EmailAddress:
    return EmailAddress.objects.create(user=user, email=email, verified=verified)


@pytest.fixture
def told():
    heard = []

    def listen(sender, event, subject, details, principal, **_):
        heard.append((event, str(subject), details, str(principal)))

    happened.connect(listen)
    yield heard
    happened.disconnect(listen)


@pytest.fixture
def owner(principal):
    """An owner with a confirmed address at herald.example."""
    confirm(principal.user, "boss@herald.example")
    return principal


@pytest.fixture
def herald(owner) -> JoinDomain:
    return domains.add(principal=owner, domain="herald.example", role=Role.MEMBER)


@pytest.fixture
def reporter(make_user):
    user = make_user("eva@home.example")
    confirm(user, "Eva@Herald.Example")
    return user


def address(name: str, principal, *args) -> str:
    return reverse(name, args=[principal.organisation.slug, *args])


# --- Opening the door -----------------------------------------------------------------------


def test_an_owner_adds_and_removes_the_own_domain(client, owner, told):
    client.force_login(owner.user)
    form = {"domain": "herald.example", "role": "auditor"}
    page = client.post(address("organisation_domain_add", owner), form, follow=True).content.decode()
    assert "People with an address at herald.example can join now." in page
    domain = JoinDomain.objects.get()
    assert (domain.domain, domain.role, domain.organisation) == (
        "herald.example",
        "auditor",
        owner.organisation,
    )
    url = address("organisation_domain_remove", owner, domain.pk)
    assert "Who has joined already stays" in client.get(url).content.decode()
    assert JoinDomain.objects.exists()
    client.post(url)
    assert not JoinDomain.objects.exists()
    assert [event for event, *_ in told] == ["organisation.domain_added", "organisation.domain_removed"]


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("else.example", "confirmed email address of your own"),
        ("sub.herald.example", "confirmed email address of your own"),
        ("example", "confirmed email address of your own"),
        ("unconfirmed.example", "confirmed email address of your own"),
        ("", "confirmed email address of your own"),
        ("GMail.com ", "Anybody can get an address"),
    ],
)
def test_only_ones_own_confirmed_domain_is_taken(owner, domain, words):
    confirm(owner.user, "boss@gmail.com")
    confirm(owner.user, "boss@unconfirmed.example", verified=False)
    with pytest.raises(Refused, match=words):
        domains.add(principal=owner, domain=domain, role=Role.MEMBER)
    assert not JoinDomain.objects.exists()


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_nobody_joins_as_more_than_a_member(client, owner, role):
    with pytest.raises(Refused, match="members or auditors"):
        domains.add(principal=owner, domain="herald.example", role=role)
    client.force_login(owner.user)
    form = {"domain": "herald.example", "role": role}
    assert client.post(address("organisation_domain_add", owner), form).status_code == 422
    assert not JoinDomain.objects.exists()


def test_a_domain_opens_one_organisation(herald, make_principal):
    other = make_principal()
    confirm(other.user, "eve@herald.example")
    with pytest.raises(Refused, match="already lets people join"):
        domains.add(principal=other, domain="herald.example", role=Role.MEMBER)


@pytest.mark.parametrize("role", ["member", "auditor"])
def test_members_and_auditors_open_no_door(client, herald, make_principal, role):
    other = make_principal(role, herald.organisation)
    confirm(other.user, "me@third.example")
    with pytest.raises(PermissionDenied):
        domains.add(principal=other, domain="third.example", role=Role.MEMBER)
    with pytest.raises(PermissionDenied):
        domains.remove(principal=other, pk=herald.pk)
    client.force_login(other.user)
    assert client.post(address("organisation_domain_add", other), {}).status_code == 403
    assert client.get(address("organisation_domain_remove", other, herald.pk)).status_code == 403
    page = client.get(address("organisation_security", other)).content.decode()
    assert "herald.example" in page
    assert "Let people at this domain join" not in page


def test_anothers_domain_is_not_found(client, herald, make_principal):
    other = make_principal()
    with pytest.raises(Http404):
        domains.remove(principal=other, pk=herald.pk)
    client.force_login(other.user)
    assert client.post(address("organisation_domain_remove", other, herald.pk)).status_code == 404
    assert JoinDomain.objects.exists()


def test_a_page_without_a_domain_of_ones_own_says_what_to_do(member_client, principal):
    page = member_client.get(address("organisation_security", principal)).content.decode()
    assert "you need a confirmed email address of your own" in page


# --- Coming in ------------------------------------------------------------------------------


def test_who_has_an_address_there_sees_the_offer_and_joins(client, herald, reporter, told):
    told.clear()
    client.force_login(reporter)
    url = reverse("organisation_join", args=[herald.organisation.slug])
    for page in ("/", reverse("profile")):
        assert f'href="{url}"' in client.get(page, follow=True).content.decode()
    assert "You become a member" in client.get(url).content.decode()
    assert not Membership.objects.filter(user=reporter, organisation=herald.organisation).exists(), "a GET"
    page = client.post(url, follow=True)
    assert page.redirect_chain[-1][0] == reverse("check", args=[herald.organisation.slug])
    assert principal_for(reporter, herald.organisation.slug).role == Role.MEMBER
    details = {"email": reporter.email, "role": "member", "domain": "herald.example"}
    assert told == [("member.joined", str(reporter), details, str(reporter))]
    assert f'href="{url}"' not in client.get("/", follow=True).content.decode()
    assert client.post(url).status_code == 404


def test_somebody_who_is_nowhere_sees_the_offer_too(client, herald, reporter):
    reporter.memberships.all().delete()
    client.force_login(reporter)
    assert f"Join {herald.organisation.name}" in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("email", "verified"),
    [
        ("eve@herald.example", False),
        ("eve@sub.herald.example", True),
        ("eve@notherald.example", True),
        ("eve@herald.example.evil.example", True),
        ('"eve@herald.example"@evil.example', True),
    ],
)
def test_nobody_else_is_offered_anything(client, herald, make_user, email, verified):
    user = make_user()
    confirm(user, email, verified)
    client.force_login(user)
    url = reverse("organisation_join", args=[herald.organisation.slug])
    assert domains.offers(user) == []
    assert (client.get(url).status_code, client.post(url).status_code) == (404, 404)
    assert not Membership.objects.filter(user=user, organisation=herald.organisation).exists()


def test_strangers_are_sent_to_sign_in(client, herald):
    assert client.get(reverse("organisation_join", args=[herald.organisation.slug])).status_code == 302


def test_the_account_address_alone_does_not_count_until_it_is_confirmed(herald, make_user):
    user = make_user("new@herald.example")
    assert domains.offers(user) == []
    confirm(user, user.email)
    assert domains.offers(user) == [herald]


def test_a_domain_taken_away_lets_nobody_in(owner, herald, reporter):
    domains.remove(principal=owner, pk=herald.pk)
    with pytest.raises(Http404):
        domains.join(user=reporter, slug=owner.organisation.slug)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(local=st.text(min_size=1, max_size=20), domain=st.text(min_size=1, max_size=20))
@example(local="a@b", domain="herald.example")
@example(local="a", domain="HERALD.example")
@example(local="a", domain="herald.example\n")
def test_offers_follow_what_stands_after_the_last_at_sign(make_user, herald, local, domain):
    user = make_user()
    try:
        confirm(user, f"{local}@{domain}"[:254])
        own = domains.own_domains(user)
        assert bool(domains.offers(user)) == ("herald.example" in own)
        written = f"{local}@{domain}"[:254].rpartition("@")[2]
        assert own <= ({plain(written)} if written == written.strip() else set())
    finally:
        EmailAddress.objects.filter(user=user).delete()


@pytest.mark.django_db(transaction=True)
def test_of_many_presses_at_once_one_makes_a_member(herald, reporter):
    slug, together, ends = herald.organisation.slug, Barrier(6), []

    def press() -> None:
        together.wait()
        try:
            domains.join(user=reporter, slug=slug)
            ends.append("joined")
        except Http404:
            ends.append("not found")
        finally:
            connection.close()

    threads = [Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends) == ["joined"] + ["not found"] * 5
    assert Membership.objects.filter(user=reporter, organisation__slug=slug).count() == 1
