"""An address that takes another method is a page for people, a sentence for scripts, a problem in the API."""

from __future__ import annotations

import pytest
from django.urls import reverse

pytestmark = pytest.mark.django_db


@pytest.fixture
def address(principal) -> str:
    return reverse("detection_submit", args=[principal.organisation.slug])


def test_people_get_a_page(member_client, address):
    response = member_client.get(address)
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "This is not a page to open" in response.content.decode()
    assert "masthead" in response.content.decode()


def test_scripts_get_a_sentence(member_client, address):
    response = member_client.get(address, headers={"Accept": "application/json"})
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert response.json() == {"detail": "This address does not know the method."}


def test_programs_get_their_problem(client, make_key, principal):
    secret = make_key(principal)[1]
    response = client.delete("/api/v1/detections/", headers={"Authorization": f"Bearer {secret}"})
    assert response.status_code == 405
    assert response.json()["type"] == "/api/problems/method-not-allowed/"


@pytest.mark.parametrize("path", ["/health/", "/", "/accounts/logout/"])
def test_strangers_too(client, path):
    response = client.delete(path)
    assert response.status_code == 405
    assert "This is not a page to open" in response.content.decode()
