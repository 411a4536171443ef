"""The trash as people see it: what lies there, who put it there and when, and what they may do."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from detection import trash
from detection.models import Detection
from tests.accounts.test_pages import assert_framed
from tests.detection_pages import factory

pytestmark = pytest.mark.django_db


@pytest.fixture
def trashed(principal) -> Detection:
    detection = factory.done(principal, "gone.jpg")
    trash.delete(principal=principal, pk=detection.pk)
    return Detection.everything.get()


@pytest.fixture
def get(client, principal, make_principal):
    """``get(role, name, *args)``: the page as somebody of that role sees it, and its status."""

    def fetch(role: str, name: str, *args) -> tuple[int, str]:
        who = principal if role == "owner" else make_principal(role, principal.organisation)
        client.force_login(who.user)
        response = client.get(reverse(name, args=[principal.organisation.slug, *args]))
        return response.status_code, response.content.decode()

    return fetch


def test_it_says_what_who_and_when(get, trashed, principal):
    status, html = get("owner", "trash")
    assert status == 200
    assert_framed(html)
    words = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", html))
    for part in ("gone.jpg", "Probably AI-generated", str(principal.user), "just now", "in 29 days"):
        assert part in words
    assert reverse("detection_restore", args=[principal.organisation.slug, trashed.pk]) in html
    assert "Empty the trash" in html


@pytest.mark.parametrize("role", ["member", "auditor"])
def test_who_may_not_restore_it_sees_it(get, trashed, principal, role):
    status, html = get(role, "trash")
    assert (status, "gone.jpg" in html) == (200, True)
    assert "/restore/" not in html
    assert "Empty the trash" not in html


def test_an_empty_one_says_so(get):
    assert "The trash is empty" in get("owner", "trash")[1]
    assert "There is nothing in it." in get("owner", "trash_empty")[1]


@pytest.mark.parametrize(("role", "restores"), [("owner", True), ("member", False), ("auditor", False)])
def test_its_page_says_where_it_is(get, trashed, role, restores):
    status, html = get(role, "detection_detail", trashed.pk)
    assert status == 404
    assert_framed(html)
    assert "This result is in the trash" in html
    assert ("/restore/" in html and "Restore</button>" in html) == restores


def test_scripts_and_files_are_told_so_too(member_client, trashed, principal):
    one = reverse("detection_detail", args=[principal.organisation.slug, trashed.pk])
    response = member_client.get(one, headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["detail"][:29]) == (404, "This result is in the trash. ")
    for kind in ("original", "thumbnail", "overlay"):
        assert member_client.get(f"{one}files/{kind}/").status_code == 404


def test_emptying_asks_first(member_client, trashed, principal):
    url = reverse("trash_empty", args=[principal.organisation.slug])
    html = member_client.get(url).content.decode()
    assert "1 deleted result will be removed for good" in html
    assert re.search(r"<a [^>]*autofocus[^>]*>Cancel<", html)
    assert Detection.everything.exists()
    html = member_client.post(url, follow=True).content.decode()
    assert "Removed for good: 1 result." in html
    assert not Detection.everything.exists()


def test_the_trash_costs_few_queries(member_client, principal, django_assert_max_num_queries):
    for number in range(12):
        trash.delete(principal=principal, pk=factory.done(principal, f"{number}.jpg").pk)
    url = reverse("trash", args=[principal.organisation.slug])
    member_client.get(url)
    with django_assert_max_num_queries(8):
        assert "11.jpg" in member_client.get(url).content.decode()


def test_the_activity_says_who_did_what(member_client, trashed, principal):
    trash.restore(principal=principal, pk=trashed.pk)
    trash.delete(principal=principal, pk=trashed.pk)
    trash.empty(principal=principal)
    html = member_client.get(reverse("activity", args=[principal.organisation.slug])).content.decode()
    for words in (
        "moved the result of gone.jpg to the trash",
        "restored the result of gone.jpg from the trash",
        "removed the result of gone.jpg from the trash for good",
    ):
        assert words in html
