"""Who did what, through the API: for whom, filtered, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts import access
from accounts.access import AUDIT_READ, principal_of_key
from accounts.models import Membership
from accounts.signals import happened
from history.api import REMOVED
from history.models import AuditEvent
from tests.api.conftest import Api, problem
from tests.history.test_activity_filter import told

pytestmark = pytest.mark.django_db


@pytest.fixture
def auditor(api_key) -> Api:
    """A program that may read the activity and nothing else."""
    return Api(api_key([AUDIT_READ], name="Auditor", per_minute=1000)[1])


def rows(answer) -> list[dict]:
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def subjects(answer) -> list[str]:
    return [row["subject"] for row in rows(answer)]


class TestWhoMay:
    def test_its_scope_is_enough(self, auditor):
        assert subjects(auditor.get("activity/"))[0] == "Auditor"
        assert problem(auditor.get("members/"), "forbidden")["status"] == 403

    def test_no_other_scope_opens_it(self, api_key):
        _, secret = api_key(access.SCOPES - {AUDIT_READ})
        assert problem(Api(secret).get("activity/"), "forbidden")["status"] == 403

    def test_who_saw_the_value_bounds_it(self, auditor, principal):
        Membership.objects.filter(user=principal.user).update(role="member")
        assert problem(auditor.get("activity/"), "forbidden")["status"] == 403

    def test_nothing_of_another_organisation(self, auditor, principal, make_principal, make_key):
        stranger = make_principal()
        key, _ = make_key(stranger)
        told(stranger, subject="by-stranger")
        told(principal_of_key(key), subject="by-their-key")
        told(principal, subject="ours")
        assert subjects(auditor.get("activity/"))[:1] == ["ours"]
        assert not {"by-stranger", "by-their-key"} & set(subjects(auditor.get("activity/?limit=100")))
        for who in (f"person-{stranger.user.pk}", f"key-{key.pk}"):
            assert rows(auditor.get(f"activity/?who={who}")) == []

    def test_a_cursor_of_another_organisation_leads_to_nothing_of_theirs(
        self, auditor, principal, make_principal, make_key
    ):
        stranger = make_principal()
        for number in range(3):
            told(stranger, subject=f"theirs{number}")
        _, secret = make_key(stranger)
        theirs = Api(secret).get("activity/?limit=1").json()["next"]
        assert all(not each.startswith("theirs") for each in subjects(auditor.get(theirs)))

    def test_it_is_read_and_never_written(self, api):
        for send in (api.post, api.put, api.patch, api.delete):
            assert problem(send("activity/"), "method-not-allowed")["status"] == 405


class TestShape:
    def test_an_event(self, auditor, principal):
        at = datetime(2026, 11, 24, 16, tzinfo=UTC)
        told(principal, "member.removed", "Ben (ben@example.org)", at, role="member", email="ben@example.org")
        assert rows(auditor.get("activity/"))[0] == {
            "id": AuditEvent.objects.latest("id").pk,
            "at": "2026-11-24T16:00:00Z",
            "actor": principal.user.email,
            "who": f"person-{principal.user.pk}",
            "event": "member.removed",
            "subject": "Ben (ben@example.org)",
            "words": "removed Ben (ben@example.org), who was member",
            "details": {"role": "member", "email": "ben@example.org"},
        }

    def test_the_example_has_the_shape_of_an_answer(self, auditor, principal):
        told(principal)
        found = rows(auditor.get("activity/"))[0]
        assert {name: type(value) for name, value in REMOVED.items()} == {
            name: type(value) for name, value in found.items()
        }

    def test_times_are_utc_wherever_the_organisation_is(self, auditor, principal):
        principal.organisation.time_zone = "Asia/Tokyo"
        principal.organisation.save()
        told(principal, at=datetime(2026, 11, 24, 16, tzinfo=UTC))
        assert rows(auditor.get("activity/"))[0]["at"] == "2026-11-24T16:00:00Z"

    def test_a_key_and_nobody(self, auditor, principal, api_key):
        key, _ = api_key(name="CMS")
        told(principal_of_key(key))
        happened.send(sender=Membership, event="member.removed", details={}, subject=key)
        nobody, program = rows(auditor.get("activity/?limit=2"))
        assert (nobody["actor"], nobody["who"]) == ("CIFAKE", "others")
        assert (program["actor"], program["who"]) == ("API key CMS", f"key-{key.pk}")

    def test_who_is_gone_is_still_named(self, auditor, principal, make_principal):
        ben = make_principal("admin", principal.organisation)
        told(ben)
        name = ben.user.email
        ben.user.delete()
        found = rows(auditor.get("activity/?who=others"))
        assert [(row["actor"], row["who"]) for row in found] == [(name, "others")]


class TestFilters:
    def test_by_whom(self, auditor, principal, make_principal, api_key):
        ben = make_principal("admin", principal.organisation)
        key, _ = api_key(name="CMS")
        told(ben, subject="by-ben")
        told(principal_of_key(key), subject="by-key")
        for event in rows(auditor.get("activity/?limit=2")):
            assert rows(auditor.get(f"activity/?who={event['who']}")) == [event]
        assert rows(auditor.get("activity/?who=others")) == []

    def test_of_one_kind(self, auditor, principal):
        told(principal, "member.removed", "removed")
        told(principal, "invitation.sent", "invited")
        assert subjects(auditor.get("activity/?kind=member")) == ["removed"]
        assert subjects(auditor.get("activity/?kind=webhook")) == []

    def test_days_are_the_organisations_and_both_belong_to_it(self, auditor, principal):
        principal.organisation.time_zone = "Asia/Tokyo"
        principal.organisation.save()
        for hour, name in ((14, "late"), (16, "early")):  # of 24 and 25 November in Tokyo
            told(principal, "member.removed", name, at=datetime(2026, 11, 24, hour, tzinfo=UTC))
        asked = "activity/?kind=member&from=2026-11-{}&to=2026-11-{}"
        assert subjects(auditor.get(asked.format(24, 24))) == ["late"]
        assert subjects(auditor.get(asked.format(25, 25))) == ["early"]
        assert subjects(auditor.get(asked.format(24, 25))) == ["early", "late"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            *(("who", each) for each in ("", "x", "person-", "person-x", "key-7", "person-٣", "%00")),
            *(("who", each) for each in ("person-" + "9" * 40, "key-" + "a" * 99, "person-1&who=person-2")),
            *(("kind", each) for each in ("", "x", "%25", "member.")),
            *(("from", each) for each in ("", "x", "0001-01-01", "2026-02-30", "20260101", "%00")),
            *(("to", each) for each in ("9999-12-31", "2026-01-01T00:00:00Z", "2026-W01-1")),
            *(("limit", each) for each in ("0", "101", "x")),
            ("before", "7"),
        ],
    )
    def test_what_makes_no_sense_is_an_error(self, auditor, name, value):
        found = problem(auditor.get(f"activity/?{name}={value}"), "invalid-parameter")
        assert {each["parameter"] for each in found["errors"]} == {name}


class TestPages:
    def test_all_of_it_once_and_back_while_new_ones_come(self, auditor, principal):
        same = datetime(2026, 11, 24, tzinfo=UTC)
        for number in range(7):
            told(principal, "member.removed", f"n{number}", at=same)
            told(principal, "invitation.sent", "other")
        first = auditor.get("activity/?limit=3&kind=member")
        told(principal, "member.removed", "new")
        second = auditor.get(first.json()["next"])
        third = auditor.get(second.json()["next"])
        assert [subjects(each) for each in (first, second, third)] == [
            ["n6", "n5", "n4"],
            ["n3", "n2", "n1"],
            ["n0"],
        ]
        assert third.json()["next"] is None
        back = auditor.get(third.json()["previous"])
        assert subjects(back) == ["n3", "n2", "n1"]

    @pytest.mark.parametrize(
        "cursor",
        ["x", "cD14", "cD0yMDI2LTExLTI0", "cD0%3D", "bz0tMQ%3D%3D"],  # p=x, p=2026-11-24, p=, o=-1
    )
    def test_a_cursor_that_is_none(self, auditor, cursor):
        found = problem(auditor.get(f"activity/?cursor={cursor}"), "invalid-parameter")
        assert found["errors"][0]["parameter"] == "cursor"

    @pytest.mark.parametrize("list_", ["members/", "detections/"])
    def test_a_cursor_of_this_list_is_none_of_another(self, api, principal, list_):
        told(principal)
        cursor = parse_qs(urlsplit(api.get("activity/?limit=1").json()["next"]).query)["cursor"][0]
        found = problem(api.get(list_, {"cursor": cursor}), "invalid-parameter")
        assert found["errors"][0]["parameter"] == "cursor"

    def test_a_number_beyond_those_of_the_database(self, auditor):
        assert auditor.get("activity/?cursor=cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk%3D").status_code == 400

    def test_a_page_costs_the_same_whatever_its_length(
        self, auditor, principal, django_assert_num_queries, make_principal
    ):
        for _ in range(10):
            told(make_principal("admin", principal.organisation))
        auditor.get("activity/")  # that writes when the key was used
        for limit in (1, 10):
            with django_assert_num_queries(2):  # the key, the page
                assert len(rows(auditor.get(f"activity/?limit={limit}"))) == limit
