"""Every address of a detection: nobody sees or changes what is another organisation's."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse

from detection.models import Detection
from tests.detection_pages import factory

pytestmark = pytest.mark.django_db

KINDS = ("original", "preview", "thumbnail", "heatmap", "overlay")
ROUTES = [
    ("get", "check", ()),
    ("get", "history", ()),
    ("post", "detection_submit", ()),
    ("get", "detection_detail", ("pk",)),
    ("get", "detection_delete", ("pk",)),
    ("post", "detection_delete", ("pk",)),
    ("post", "detection_retry", ("pk",)),
    *[("get", "detection_file", ("pk", kind)) for kind in KINDS],
]
WRITES = [route for route in ROUTES if route[0] == "post" or route[1] == "detection_delete"]


def address(name, slug, pk, parts):
    return reverse(name, args=[slug, *(pk if part == "pk" else part for part in parts)])


@pytest.mark.parametrize(("method", "name", "parts"), ROUTES)
def test_strangers_are_sent_to_sign_in(client, principal, method, name, parts):
    detection = factory.done(principal)
    response = getattr(client, method)(address(name, principal.organisation.slug, detection.pk, parts))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))
    assert Detection.objects.count() == 1


@pytest.mark.parametrize(("method", "name", "parts"), ROUTES)
def test_outsiders_find_nothing(client, principal, make_user, method, name, parts):
    detection = factory.done(principal)
    client.force_login(make_user())
    response = getattr(client, method)(address(name, principal.organisation.slug, detection.pk, parts))
    assert response.status_code == 404
    assert Detection.objects.count() == 1


@pytest.mark.parametrize(("method", "name", "parts"), [route for route in ROUTES if route[2]])
def test_anothers_record_is_not_found_under_ones_own_organisation(
    member_client, principal, make_principal, method, name, parts
):
    other = factory.done(make_principal())
    response = getattr(member_client, method)(address(name, principal.organisation.slug, other.pk, parts))
    assert response.status_code == 404
    assert Detection.objects.count() == 1


@pytest.mark.parametrize(("method", "name", "parts"), [route for route in ROUTES if route[2]])
def test_an_unknown_record_is_not_found(member_client, principal, method, name, parts):
    url = address(name, principal.organisation.slug, uuid.uuid4(), parts)
    assert getattr(member_client, method)(url).status_code == 404


@pytest.mark.parametrize(("method", "name", "parts"), ROUTES)
def test_auditors_read_and_change_nothing(client, principal, make_principal, method, name, parts):
    detection = factory.done(principal)
    client.force_login(make_principal("auditor", principal.organisation).user)
    response = getattr(client, method)(address(name, principal.organisation.slug, detection.pk, parts))
    forbidden = (method, name, parts) in WRITES
    assert response.status_code == (403 if forbidden else 200)
    if forbidden:
        assert "Your role in this organisation does not allow it." in response.content.decode()
    assert Detection.objects.count() == 1


def test_scripts_are_told_in_json(client, principal, make_principal):
    url = reverse("detection_submit", args=[principal.organisation.slug])
    response = client.post(url, headers={"accept": "application/json"})
    assert (response.status_code, response.json()["detail"][:19]) == (401, "You are signed out.")
    client.force_login(make_principal("auditor", principal.organisation).user)
    response = client.post(url, headers={"accept": "application/json"})
    assert response.status_code == 403
    assert response.json()["detail"].startswith("Your role")


@pytest.mark.parametrize("name", ["model_card"])
def test_model_cards_are_for_people_who_signed_in(client, name):
    response = client.get(reverse(name, args=["cifake_resnet"]))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login"))
