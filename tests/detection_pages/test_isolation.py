"""What those read whom the gate keeps out of a detection's pages. Who they are: ``tests/isolation``."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.detection_pages import factory

pytestmark = pytest.mark.django_db

KINDS = ("original", "preview", "thumbnail", "heatmap", "overlay")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_for_members_alone(client, principal, make_user, make_principal, kind):
    detection = factory.done(principal)
    url = reverse("detection_file", args=[principal.organisation.slug, detection.pk, kind])
    assert client.get(url).status_code == 302
    client.force_login(make_user())
    assert client.get(url).status_code == 404
    client.force_login(make_principal("auditor", principal.organisation).user)
    assert client.get(url).status_code == 200


@pytest.mark.parametrize(("method", "name"), [("get", "detection_delete"), ("post", "detection_retry")])
def test_auditors_are_told_that_their_role_does_not_allow_it(client, principal, make_principal, method, name):
    detection = factory.done(principal)
    client.force_login(make_principal("auditor", principal.organisation).user)
    response = getattr(client, method)(reverse(name, args=[principal.organisation.slug, detection.pk]))
    assert response.status_code == 403
    assert "Your role in this organisation does not allow it." in response.content.decode()


def test_scripts_are_told_in_json(client, principal, make_principal):
    url = reverse("detection_submit", args=[principal.organisation.slug])
    response = client.post(url, headers={"accept": "application/json"})
    assert (response.status_code, response.json()["detail"][:19]) == (401, "You are signed out.")
    client.force_login(make_principal("auditor", principal.organisation).user)
    response = client.post(url, headers={"accept": "application/json"})
    assert response.status_code == 403
    assert response.json()["detail"].startswith("Your role")
