"""Two requests that do the same at once end in an answer, whatever unique index stopped one of them."""

from __future__ import annotations

import threading

import pytest
from allauth.account.models import EmailAddress
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

from accounts import domains, joining
from accounts.models import JoinDomain, Membership, Role
from tests.accounts.letters import invite, token_in
from tests.api.conftest import Api


def _stopped(*_, **__):
    raise IntegrityError("UNIQUE constraint failed")


@pytest.mark.django_db
def test_a_page_says_so(member_client, monkeypatch):
    monkeypatch.setattr("accounts.founding.found_another", _stopped)
    page = member_client.post(reverse("organisation_new"), {"name": "Two"})
    assert page.status_code == 409
    assert "a moment ago" in page.content.decode()


@pytest.mark.django_db
def test_the_api_says_so(principal, make_key, monkeypatch):
    api = Api(make_key(principal)[1])
    monkeypatch.setattr("accounts.keys.make", _stopped)
    answer = api.send("keys/", {"name": "n", "scopes": ["keys:write"]})
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/conflict/")


def _together(count: int, act) -> list[int]:
    """The statuses of so many requests that begin at once."""
    ready, answers = threading.Barrier(count), []

    def one(number: int) -> None:
        try:
            ready.wait()
            answers.append(act(number).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=[number]) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return answers


def _as(user) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_invitation_is_accepted_once(self, principal, make_user, mailoutbox):
        user = make_user("ada@herald.example")
        invite(principal)
        address = f"/invitations/{token_in(mailoutbox[-1])}/"
        clients = [_as(user) for _ in range(4)]
        answers = _together(4, lambda number: clients[number].post(address, {"answer": "accept"}))
        assert set(answers) <= {302, 410}
        assert Membership.objects.filter(user=user, organisation=principal.organisation).count() == 1

    def test_one_person_joins_by_the_domain_once(self, principal, make_user):
        user = make_user("ada@herald.example")
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        JoinDomain.objects.create(organisation=principal.organisation, domain="herald.example")
        clients = [_as(user) for _ in range(4)]
        address = reverse("organisation_join", args=[principal.organisation.slug])
        assert set(_together(4, lambda number: clients[number].post(address))) <= {302, 404}
        assert Membership.objects.filter(user=user, organisation=principal.organisation).count() == 1

    def test_one_address_is_added_once(self, make_user):
        user = make_user()
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        clients = [_as(user) for _ in range(4)]
        fields = {"action_add": "", "email": "more@x.org"}
        answers = _together(4, lambda number: clients[number].post(reverse("account_email"), fields))
        assert max(answers) < 500
        assert EmailAddress.objects.filter(email="more@x.org").count() == 1

    def test_organisations_of_one_name_are_several(self, make_user):
        clients = [_as(make_user()) for _ in range(4)]
        answers = _together(
            4, lambda number: clients[number].post(reverse("organisation_new"), {"name": "Same"})
        )
        assert answers == [302] * 4


@pytest.mark.django_db
def test_who_accepts_an_invitation_while_joining_by_domain_is_in_once(principal, make_user, mailoutbox):
    user = make_user("ada@herald.example")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    JoinDomain.objects.create(organisation=principal.organisation, domain="herald.example")
    invite(principal, role=Role.ADMIN)
    domains.join(user=user, slug=principal.organisation.slug)
    assert joining.accept(user=user, token=token_in(mailoutbox[-1])).role == Role.MEMBER
