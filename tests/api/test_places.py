"""What a program is told where too many listen already."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from detection import places, services
from detection.models import Detection
from tests import hostile
from tests.api.asking import ask

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def secret(make_key, principal) -> str:
    return make_key(principal)[1]


@pytest.mark.parametrize(
    ("limit", "status"),
    [("PER_PERSON", 429), ("PER_ORGANISATION", 429), ("", 503)],
)
@pytest.mark.parametrize("single", [True, False])
async def test_a_stream_too_many(secret, principal, settings, limit, status, single):
    setattr(settings, f"MAX_LISTENERS_{limit}".rstrip("_"), 0)
    path = "events/"
    if single:
        submit = sync_to_async(services.submit)
        made = await submit(principal=principal, data=hostile.png(), name="cat.png")
        path = f"detections/{made.pk}/events/"
    answered, headers, body = await ask("GET", path, secret)
    assert (answered, headers["retry-after"]) == (status, str(places.AGAIN_SECONDS))
    assert "streams are open" in body["detail"]


async def test_who_finds_no_place_to_wait_has_sent_the_image_all_the_same(secret, settings, monkeypatch):
    settings.MAX_LISTENERS_PER_PERSON = 0
    monkeypatch.setattr("detection.api_submission.fetch_image", lambda url: (hostile.png(), "cat.png"))
    image = {"url": "https://a.example/cat.png"}
    status, headers, body = await ask("POST", "detections/?wait=30", secret, image)
    assert (status, body["status"], headers["retry-after"]) == (202, "waiting", "1")
    assert await Detection.objects.acount() == 1
