"""Organisation, members, invitations and keys through the API."""

from __future__ import annotations

import pytest
from django.core import mail

from accounts import access, usage
from accounts.models import ApiKey, Invitation, Membership, Usage
from tests.api.conftest import Api, problem

WRONG = [None, 7, 1.5, True, "", "x" * 4000, "\ud800", "a\x00b", [], {}, [[]], {"a": 1}]


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_the_organisation_is_the_key_s(api, principal):
    found = api.get("organisation/").json()
    assert found["slug"] == principal.organisation.slug
    assert set(found) >= {"name", "time_zone", "error_rate", "keep_files_days", "keep_records_days"}


def test_settings_are_changed_field_by_field(api, principal):
    wanted = {
        "name": "The Herald",
        "time_zone": "Europe/Berlin",
        "error_rate": "0.005",
        "keep_files_days": 90,
    }
    answer = api.patch("organisation/", wanted, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert wanted.items() <= answer.json().items()
    answer = api.patch("organisation/", {"keep_files_days": None}, content_type="application/json")
    principal.organisation.refresh_from_db()
    assert (answer.json()["keep_files_days"], principal.organisation.name) == (None, "The Herald")


def test_of_two_changes_one_of_which_is_wrong_none_is_made(api, principal):
    body = {"error_rate": "0.02", "time_zone": "Mars/Olympus"}
    found = problem(api.patch("organisation/", body, content_type="application/json"), "invalid")
    assert found["errors"][0]["field"] == "/time_zone"
    principal.organisation.refresh_from_db()
    assert principal.organisation.error_rate == "0.01"


def test_unknown_fields_are_named(api):
    found = problem(api.patch("organisation/", {"nam": "x"}, content_type="application/json"), "invalid")
    assert found["errors"] == [{"field": "/nam", "detail": "There is no such field."}]


ORDERS = [
    ("patch", "organisation/", {"name": "H", "time_zone": "UTC", "error_rate": "0.01", "keep_files_days": 2}),
    ("patch", "members/{member}/", {"role": "admin"}),
    ("post", "invitations/", {"email": "ada@example.org", "role": "member"}),
    ("post", "keys/", {"name": "n", "scopes": ["usage:read"], "addresses": ["192.0.2.0/24"], "per_minute": 1,
                       "per_month": 2, "expires_at": "2099-01-01T00:00:00Z"}),
    ("patch", "keys/{key}/", {"name": "n", "scopes": ["usage:read"], "addresses": [], "per_minute": 1}),
    ("post", "keys/{key}/rotate/", {"overlap_hours": 1, "expires_at": "2099-01-01T00:00:00Z"}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), ORDERS, ids=[f"{m} {p}" for m, p, _ in ORDERS])
def test_the_wrong_type_at_every_field_is_a_clear_no(
    api, api_key, principal, make_member, method, path, body
):
    user = make_member(principal.organisation)
    member = Membership.objects.get(user=user, organisation=principal.organisation)
    path = path.format(member=member.pk, key=api_key()[0].pk)
    send = getattr(api, method)
    assert send(path, body, content_type="application/json").status_code in (200, 201)
    api.raise_request_exception = True
    for field, right in body.items():
        for wrong in [each for each in WRONG if type(each) is not type(right) or each in ("", "\ud800")]:
            answer = send(path, {**body, field: wrong}, content_type="application/json")
            if answer.status_code in (200, 201):
                assert wrong is None or wrong == [], (field, wrong)  # where it means “no limit”, “none”
                continue
            found = problem(answer, "invalid")
            assert found["errors"][0]["field"].split("/")[1] == field, (field, wrong, found)
    for wrong in (
        "[]",
        "7",
        '"x"',
        "null",
        "tru",
        "",
        "{",
        deep(900),
        f'{{"{field}": {deep(900)}}}',
        '{"a":1e999}',
    ):
        answer = send(path, wrong, content_type="application/json")
        assert answer.status_code in (200, 201, 400, 422), (wrong[:20], answer.content)
        assert answer.status_code < 300 or answer["Content-Type"] == "application/problem+json"


def test_members_are_listed_changed_and_removed(api, principal, make_member):
    user = make_member(principal.organisation)
    page = api.get("members/?limit=1").json()
    assert [row["email"] for row in page["results"]] == [user.email]
    others = api.get(page["next"]).json()
    assert [row["role"] for row in others["results"]] == ["owner"]
    where = f"members/{page['results'][0]['id']}/"
    assert api.get(where).json() == page["results"][0]
    answer = api.patch(where, {"role": "auditor"}, content_type="application/json")
    assert (answer.status_code, answer.json()["role"]) == (200, "auditor")
    assert api.delete(where).status_code == 204
    problem(api.get(where), "not-found")


def test_a_key_makes_no_owner_and_removes_none(api, principal, make_member):
    user = make_member(principal.organisation)
    rows = {row["email"]: f"members/{row['id']}/" for row in api.get("members/").json()["results"]}
    send = {"data": {"role": "owner"}, "content_type": "application/json"}
    problem(api.patch(rows[user.email], **send), "forbidden")
    problem(api.delete(rows[principal.user.email]), "forbidden")
    assert Membership.objects.get(user=principal.user).role == "owner"


def test_an_invitation_from_mail_to_end(api):
    answer = api.send("invitations/", {"email": "Ada@Example.org", "role": "auditor"})
    assert (answer.status_code, answer.json()["mailed"]) == (201, True)
    where = answer["Location"]
    assert api.get(where).json()["email"] == "ada@example.org"
    assert "http://testserver/" in mail.outbox[0].body
    assert "token" not in answer.content.decode()
    assert [row["role"] for row in api.get("invitations/").json()["results"]] == ["auditor"]
    again = api.send(f"{where}resend/", None)
    assert (again.status_code, len(mail.outbox)) == (200, 2)
    assert api.delete(where).status_code == 204
    problem(api.get(where), "not-found")
    problem(api.delete(where), "not-found")


def test_who_is_a_member_is_not_invited(api, principal):
    found = problem(api.send("invitations/", {"email": principal.user.email}), "conflict")
    assert found["code"] == "member"
    assert not Invitation.objects.exists()


def test_invitations_have_a_limit_that_says_when_it_ends(api):
    for _ in range(5):
        assert api.send("invitations/", {"email": "ada@example.org"}).status_code == 201
    answer = api.send("invitations/", {"email": "ada@example.org"})
    problem(answer, "rate-limited")
    assert 0 < int(answer["Retry-After"]) <= 24 * 60 * 60


def test_a_key_s_value_is_shown_once(api):
    made = api.send("keys/", {"name": "Desk", "scopes": ["detections:read"]})
    assert made.status_code == 201
    value = made.json()["value"]
    assert Api(value).get("models/").status_code == 200
    found = api.get(made["Location"])
    assert value not in found.content.decode()
    assert value not in api.get("keys/").content.decode()
    assert found.json()["secrets"][0]["prefix"] == value[: len(found.json()["secrets"][0]["prefix"])]
    assert found.json()["scopes"] == ["detections:read"]


def test_a_key_gives_no_more_than_it_has_and_does_not_raise_itself(api_key):
    key, secret = api_key(scopes={"keys:write", "keys:read", "usage:read"})
    api = Api(secret)
    problem(api.send("keys/", {"name": "n", "scopes": ["members:write"]}), "forbidden")
    more = {"data": {"scopes": ["keys:write", "members:write"]}, "content_type": "application/json"}
    problem(api.patch(f"keys/{key.pk}/", **more), "forbidden")
    stronger, _ = api_key()
    problem(api.send(f"keys/{stronger.pk}/rotate/", {}), "forbidden")
    problem(api.patch(f"keys/{stronger.pk}/", {"name": "m"}, content_type="application/json"), "forbidden")
    key.refresh_from_db()
    assert sorted(key.scopes) == ["keys:read", "keys:write", "usage:read"]
    assert ApiKey.objects.count() == 2


def test_no_key_may_be_given_what_only_a_person_may(api):
    found = problem(api.send("keys/", {"name": "n", "scopes": [access.OWN]}), "invalid")
    assert found["errors"][0]["field"].startswith("/scopes")


def test_rotation_and_revocation(api):
    made = api.send("keys/", {"name": "Desk", "scopes": ["detections:read"]}).json()
    where = f"keys/{made['id']}/"
    turned = api.send(f"{where}rotate/", {"overlap_hours": 0})
    assert turned.status_code == 200
    problem(Api(made["value"]).get("models/"), "unauthenticated")
    assert Api(turned.json()["value"]).get("models/").status_code == 200
    assert [api.delete(where).status_code for _ in range(2)] == [204, 204]
    problem(Api(turned.json()["value"]).get("models/"), "unauthenticated")
    problem(api.send(f"{where}rotate/", {}), "conflict")
    problem(api.patch(where, {"name": "m"}, content_type="application/json"), "conflict")


def test_model_cards_come_without_a_model_library(api):
    found = api.get("models/").json()["results"]
    by_name = {each["name"]: each for each in found}
    assert [each["active"] for each in found].count(True) == 1
    card = api.get("models/cifake_resnet/").json()
    assert card.items() >= by_name["cifake_resnet"].items()
    assert card["limits"]
    assert "gate" not in card
    problem(api.get("models/none/"), "not-found")
    problem(api.get("models/..%2f..%2fx/"), "not-found")


def test_usage_is_told_by_day_month_and_key(api, api_key, make_organisation, principal):
    key, _ = api_key(name="Desk", per_month=50)
    Usage.objects.create(
        organisation=principal.organisation, key=key, day=usage.today(), images=7, requests=9
    )
    Usage.objects.create(organisation=principal.organisation, key=None, day=usage.today(), images=2)
    Usage.objects.create(organisation=make_organisation(), key=None, day=usage.today(), images=900)
    found = api.get("usage/?days=3").json()
    assert [day["images"] for day in found["days"]] == [0, 0, 9]
    assert found["month"]["images"] == 9
    desk = next(each for each in found["keys"] if each["name"] == "Desk")
    assert (desk["images"], desk["requests"], desk["per_month"]) == (7, 9, 50)
    for wrong in ("days=0", "days=367", "days=x", "day=1", "days=1&days=2"):
        problem(api.get(f"usage/?{wrong}"), "invalid-parameter")
