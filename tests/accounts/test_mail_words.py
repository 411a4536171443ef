"""No mail of this site carries a link that its sender, or a name, chose."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from accounts import invitations
from accounts.access import principal_of_key
from accounts.errors import Refused
from accounts.mail_words import MOST, words
from accounts.models import Role
from detection import webhook_mail
from detection.models import Webhook

SITE = "https://cifake.example"
# What mail programs make links of: a scheme, or something like a host.
LINK = re.compile(r"\w[:.][\w/\\]|//")
NAMES = [
    "Win at https://evil.example/x now",
    "evil.example",
    "www.evil.co.uk/path",
    "EVIL。example",
    "evil．example",
    "evil\u200b.example\u202e",
    "javascript:alert(1)",
    "mailto:a@evil.example",
    "Herald\r\nBcc: eve@evil.example",
    "Herald\u2028https://evil.example",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_has_no_link_and_no_second_line(name):
    assert not LINK.search(words(name))
    assert len(words(name).splitlines()) == 1


@given(st.text(alphabet=st.characters() | st.sampled_from(".:/@\\wa1"), max_size=200))
def test_whatever_it_is(text):
    said = words(text)
    assert len(said) <= MOST
    assert not LINK.search(said) or re.fullmatch(r"[^\s@/:]+@[^\s@/:]+", said)


@pytest.mark.parametrize(
    "name", ["Ada Lovelace", "St. Mary’s", "The Herald & Sons", "ada@herald.example", "O’Neil-Ríos"]
)
def test_ordinary_names_stay(name):
    assert words(name) == name


@pytest.mark.django_db
class TestLetters:
    @pytest.mark.parametrize("name", NAMES)
    def test_an_invitations(self, principal, name):
        principal.user.name = name[:150]
        principal.user.save()
        principal.organisation.name = name[:120]
        principal.organisation.save()
        invitations.invite(principal=principal, emails=["ada@x.org"], role=Role.MEMBER, site=SITE)
        letter = mail.outbox[-1]
        ours = letter.body.replace(SITE, "")
        assert "evil.example" not in f"{letter.subject} {ours}".replace("．", ".").lower()
        assert set(re.findall(r"https?://[^/\s,]+", letter.body)) == {SITE}
        assert "\n" not in letter.subject

    @pytest.mark.parametrize("name", NAMES)
    def test_that_of_a_key(self, principal, make_key, name):
        key, _ = make_key(principal)
        key.name = name[:80]
        key.save()
        program = principal_of_key(key)
        invitations.invite(principal=program, emails=["ada@x.org"], role=Role.MEMBER, site=SITE)
        assert set(re.findall(r"https?://[^/\s,]+", mail.outbox[-1].body)) == {SITE}

    @pytest.mark.parametrize("name", NAMES)
    def test_that_of_a_webhook_that_is_off(self, principal, name):
        principal.organisation.name = name[:120]
        principal.user.name = name[:150]
        webhook = Webhook(organisation=principal.organisation, url="URL", off_reason="Why.")
        letter = webhook_mail._message(webhook, principal.user)
        assert not re.search(r"evil[.．。]example|https?://", f"{letter.subject} {letter.body}", re.I)
        assert "\n" not in letter.subject

    def test_what_a_browser_calls_itself(self, client, make_user, settings):
        settings.ACCOUNT_EMAIL_NOTIFICATIONS = True
        client.force_login(make_user("ada@x.org"))
        fields = {
            "oldpassword": "correct horse 9",
            "password1": "battery staple 7",
            "password2": "battery staple 7",
        }
        client.post(
            reverse("account_change_password"), fields, HTTP_USER_AGENT="https://evil.example/ x.evil.com"
        )
        assert mail.outbox
        assert not [each for each in mail.outbox if "evil.example" in each.body or "evil.com" in each.body]


@pytest.mark.django_db
def test_programs_send_no_more_letters_than_the_person_behind_them(
    make_principal, make_key, make_user, settings
):
    """Nor by another organisation of the same person, for that is what founding one more would be for."""
    from accounts import founding, invitation_limits
    from accounts.access import principal_for

    user = make_user()
    homes = [user.organisations.get(), founding.found_another(user=user, name="Two")]
    owners = [principal_for(user, each.slug) for each in homes]
    programs = [principal_of_key(make_key(each)[0]) for each in owners]
    half = invitation_limits.A_DAY // 2

    def send(acting, count: int, tag: str) -> None:
        for start in range(0, count, 50):
            emails = [f"{tag}{number}@x.org" for number in range(start, min(start + 50, count))]
            invitations.invite(principal=acting, emails=emails, role=Role.MEMBER, site=SITE)

    send(programs[0], half, "a")
    send(programs[1], half, "b")
    for acting in (*programs, *owners):
        with pytest.raises(Refused, match="in a day"):
            send(acting, 1, "c")
