"""A part of the activity: by whom, of which kind, on which days; on the page and as CSV."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from datetime import UTC, datetime

import pytest
from asgiref.sync import async_to_sync
from django.db.models import QuerySet
from django.urls import reverse

from accounts.access import principal_for, principal_of_key
from accounts.models import Membership
from accounts.signals import happened
from history import activity, activity_csv, activity_filter
from history.activity_words import SENTENCES
from history.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def get(client, principal):
    def fetch(name: str = "activity", query: str = "", person=None):
        client.force_login(person or principal.user)
        return client.get(reverse(name, args=[principal.organisation.slug]) + query)

    return fetch


def told(principal, event: str = "member.left", subject="Ada", at: datetime | None = None, **details):
    happened.send(sender=Membership, principal=principal, event=event, subject=subject, details=details)
    if at:
        # Past its own manager, which changes nothing.
        QuerySet(AuditEvent).filter(pk=AuditEvent.objects.latest("id").pk).update(at=at)


def shown(response) -> str:
    assert response.status_code == 200
    main = re.search(r"<main.*</main>", response.content.decode(), re.S)[0]
    main = re.sub(r"<select.*?</select>", " ", main, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


def table(response) -> list[dict[str, str]]:
    async def read() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    content = async_to_sync(read)()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def link(response, label: str) -> str:
    found = re.search(rf'href="([^"]+)"[^>]*>{label}', response.content.decode())
    assert found
    return html.unescape(found[1])


class TestWho:
    def test_a_person_or_a_program_or_nobody(self, get, principal, make_principal, make_key):
        ben = make_principal("admin", principal.organisation)
        key, _ = make_key(principal, name="CMS")
        told(principal, subject="by-owner")
        told(ben, subject="by-ben", event="member.removed")
        told(principal_of_key(key), subject="by-key", event="member.removed")
        happened.send(sender=Membership, event="member.removed", details={}, subject=key)
        page = get(query=f"?who=person-{ben.user.pk}")
        assert "by-ben" in shown(page)
        assert "by-key" not in shown(page)
        assert f'value="person-{ben.user.pk}" selected' in page.content.decode()
        assert "by-key" in shown(get(query=f"?who=key-{key.pk}"))
        assert "by-ben" not in shown(get(query=f"?who=key-{key.pk}"))
        others = shown(get(query="?who=others"))
        assert "CIFAKE removed CMS" in others
        assert "by-ben" not in others

    def test_they_are_offered_as_the_record_calls_them(self, get, principal, make_principal, make_user):
        ben = make_principal("admin", principal.organisation)
        told(ben)
        Membership.objects.filter(user=ben.user, organisation=principal.organisation).delete()
        ben.user.email = "new@elsewhere.example"
        ben.user.save()
        page = get().content.decode()
        assert f'<option value="person-{ben.user.pk}">user2@example.org</option>' in page
        assert "new@elsewhere.example" not in page

    def test_nobody_of_another_organisation_is_offered(self, get, principal, make_principal):
        stranger = make_principal()
        told(principal)
        told(stranger, subject="theirs")
        assert stranger.user.email not in get().content.decode()
        assert "theirs" not in shown(get(query=f"?who=person-{stranger.user.pk}"))


class TestKindAndDays:
    def test_one_kind(self, get, principal, make_key):
        make_key(principal, name="CMS")
        told(principal, subject="by-owner")
        page = shown(get(query="?kind=key"))
        assert "made the API key CMS" in page
        assert "left. The role" not in page

    def test_every_kind_that_has_words_can_be_chosen(self):
        assert {event.partition(".")[0] for event in SENTENCES} == set(activity_filter.KINDS)

    def test_days_are_the_organisations_and_both_belong_to_it(self, get, principal):
        principal.organisation.time_zone = "Asia/Tokyo"
        principal.organisation.save()
        for hour, name in ((14, "late"), (16, "early")):  # of 24 and 25 November in Tokyo
            told(principal, "member.removed", name, at=datetime(2026, 11, 24, hour, tzinfo=UTC))
        on = {day: shown(get(query=f"?from=2026-11-{day}&to=2026-11-{day}")) for day in (24, 25)}
        assert "removed late" in on[24]
        assert "removed early" not in on[24]
        assert "removed early" in on[25]
        assert "removed late" not in on[25]

    @pytest.mark.parametrize(
        "query",
        [
            *(
                "?who=person-x",
                "?who=key-x",
                f"?who=person-{'9' * 40}",
                "?who=person-٣",
                "?who=%00",
                "?kind=x",
            ),
            *("?from=x", "?to=9999-12-31", "?from=0001-01-01", "?from=2026-02-30", "?to=%00", "?kind=%25"),
        ],
    )
    def test_what_makes_no_sense_is_left_out(self, get, principal, query):
        told(principal)
        assert "left. The role" in shown(get(query=query))
        assert get("activity_csv", query).status_code == 200

    @pytest.mark.parametrize("query", ["?kind=webhook", "?from=2100-01-01", "?from=2026-01-02&to=2026-01-01"])
    def test_nothing_matches(self, get, principal, query):
        told(principal)
        page = get(query=query)
        assert "Nothing matches" in shown(page)
        assert "Nothing has happened yet" not in shown(page)
        assert link(page, "Show everything") == reverse("activity", args=[principal.organisation.slug])

    def test_pages_keep_the_filter(self, get, principal):
        for number in range(60):
            told(principal, "member.removed", f"number{number:02}")
            told(principal, "invitation.sent", "other")
        first = get(query="?kind=member&from=2026-01-01")
        second = get(query=link(first, "Older"))
        assert "number09" in shown(second)
        assert "other" not in shown(second)
        assert "kind=member" in link(second, "Newest")

    def test_a_page_costs_two_queries_of_the_record(self, principal, django_assert_num_queries, make_member):
        for _ in range(5):
            user = make_member(principal.organisation, "admin")
            told(principal_for(user, principal.organisation.slug))
        with django_assert_num_queries(2):
            activity.page(principal, activity_filter.filters({"kind": "member", "from": "2026-01-01"}))
            assert len(activity_filter.actors(activity.events(principal))) == 5


class TestDownload:
    @pytest.mark.parametrize(
        ("role", "status"), [("owner", 200), ("admin", 200), ("auditor", 200), ("member", 403)]
    )
    def test_who_may(self, get, make_principal, principal, role, status):
        reader = make_principal(role, principal.organisation)
        assert get("activity_csv", person=reader.user).status_code == status

    @pytest.mark.django_db(transaction=True)
    def test_what_is_shown_and_all_of_it(self, get, principal, monkeypatch, make_principal):
        monkeypatch.setattr(activity_csv, "PIECE", 7)
        for number in range(20):
            told(principal, "member.removed", f"n{number}", role="member", email="x@x.org")
            told(principal, "invitation.sent", "other")
        told(make_principal(), "member.removed", "theirs")
        page = get(query="?kind=member")
        response = get("activity_csv", link(page, "Download these as CSV").partition("activity.csv")[2])
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert f"activity-{principal.organisation.slug}.csv" in response["Content-Disposition"]
        rows = table(response)
        assert [row["subject"] for row in rows] == [f"n{number}" for number in reversed(range(20))]
        assert rows[0]["words"] == "removed n19, who was member"
        assert (rows[0]["actor"], rows[0]["event"]) == (principal.user.email, "member.removed")
        assert json.loads(rows[0]["details"]) == {"role": "member", "email": "x@x.org"}
        assert datetime.fromisoformat(rows[0]["at"]).utcoffset().total_seconds() == 0

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "  -2", "+cmd|' /C calc'!A0"])
    def test_no_name_is_run_as_a_formula(self, get, principal, name):
        told(principal, subject=name)
        assert table(get("activity_csv"))[0]["subject"] == "'" + name

    def test_it_is_streamed(self, get, principal):
        told(principal)
        response = get("activity_csv")
        assert response.streaming
        assert response["Cache-Control"].count("no-store") == 1
