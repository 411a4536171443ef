"""Lists of detections through the API: pages, filters, and what they cost."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.utils import timezone

from detection.models import Detection
from tests.api.conftest import Api, problem, upload
from tests.detection_pages import factory
from tests.detection_pages.examined import examined

pytestmark = pytest.mark.django_db
# Cursors at the ends of time, in zones for which those lie beyond them.
BEGINNING, END = (
    quote(b64encode(b"p=" + quote(moment).encode()))
    for moment in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")
)


class TestList:
    def test_pages_follow_each_other(self, api, principal):
        names = [f"{number}.jpg" for number in range(5)]
        for name in names:
            factory.waiting(principal, name)
        first = api.get("detections/?limit=2").json()
        second = api.get(first["next"]).json()
        third = api.get(second["next"]).json()
        seen = [each["name"] for page in (first, second, third) for each in page["results"]]
        assert seen == names[::-1]
        assert third["next"] is None
        assert api.get(third["previous"]).json()["results"] == second["results"]

    def test_new_rows_do_not_move_a_page(self, api, principal):
        for number in range(3):
            factory.waiting(principal, f"{number}.jpg")
        first = api.get("detections/?limit=2").json()
        factory.waiting(principal, "new.jpg")
        assert [each["name"] for each in api.get(first["next"]).json()["results"]] == ["0.jpg"]

    def test_filters_hold_together(self, api, api_key, principal, stranger):
        fake = examined(principal, "beach.jpg")
        real = factory.done(principal, "Beach at night.jpg", verdict="real", p_fake=0.02)
        key, secret = api_key()
        found = Api(secret).post("detections/", {"file": upload("street.png"), "reference": "r-1"}).json()
        late = Detection.objects.get(pk=found["id"])
        Detection.objects.filter(pk=late.pk).update(created_at=timezone.now() + timedelta(days=2))
        tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
        by_filter = {
            "": {fake, real, late},
            "verdict=fake": {fake},
            "basis=pixels": {fake, real},
            "q=BEACH": {fake, real},
            "q=beach&verdict=real": {real},
            "q=%25": set(),
            "reference=r-1": {late},
            f"since={tomorrow}": {late},
            f"until={tomorrow}": {fake, real},
            f"key={key.pk}": {late},
            f"batch={uuid4()}": set(),
        }
        for asked, wanted in by_filter.items():
            response = api.get(f"detections/?{asked}")
            assert {each["id"] for each in response.json()["results"]} == {str(each.pk) for each in wanted}, (
                asked
            )
        assert stranger.get("detections/").json()["results"] == []

    @pytest.mark.parametrize(
        "asked",
        ["verdict=maybe", "basis=x", "since=yesterday", "until=2026-01-01T00:00:00", "key=7", "batch=x",
         "limit=0",
         "limit=101", "limit=many", "cursor=x", "cursor=cD1ub3c%3D", "colour=red", "q=%00",
         "cursor=" + BEGINNING, "cursor=" + END,
         "verdict=fake&verdict=real",
         "since=0001-01-01T00:00:00%2B14:00", "reference=" + 201 * "x"],
    )  # fmt: skip
    def test_a_filter_that_makes_no_sense_is_an_error(self, api, principal, asked):
        factory.waiting(principal)
        found = problem(api.get(f"detections/?{asked}"), "invalid-parameter")
        assert [each["parameter"] for each in found["errors"]] == [asked.partition("=")[0]]

    @pytest.mark.parametrize("asked", ["", "q=photo", "verdict=fake&basis=pixels", "limit=100"])
    def test_eight_queries_at_most(self, api, principal, asked, django_assert_max_num_queries):
        for _ in range(6):
            examined(principal)
        with django_assert_max_num_queries(8):
            assert len(api.get(f"detections/?{asked}").json()["results"]) == 6
