"""The page of usage, with its plot."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from accounts import access, usage
from accounts.models import Usage
from accounts.usage_plot import HEIGHT, ceiling, plot
from tests.accounts.acts import said

pytestmark = pytest.mark.django_db


class TestUsage:
    def test_days_and_this_months_shares(self, member_client, base, principal, make_key):
        key, _ = make_key(principal, name="Content system", per_month=10)
        organisation, today = principal.organisation, usage.today()
        Usage.objects.create(organisation=organisation, key=key, day=today, images=10, requests=7, refused=2)
        Usage.objects.create(organisation=organisation, day=today, images=3)
        Usage.objects.create(organisation=organisation, day=today - timedelta(days=29), images=1)
        Usage.objects.create(organisation=organisation, day=today - timedelta(days=30), images=50)
        response = member_client.get(base + "usage/")
        page = said(response)
        for words in ("14 in 30 days", "7 in 30 days", "10 of 10 images Used up", "7 requests, 2 refused"):
            assert words in page
        assert "64 in 90 days" in said(member_client.get(base + "usage/?days=90"))
        days = response.context["days"]
        assert (len(days), days[0].day, days[0].images) == (30, today, 13)
        assert (days[-1].images, sum(day.images for day in days)) == (1, 14)

    def test_what_is_not_written_down_yet_is_shown_too(self, member_client, base, principal, make_key):
        key, _ = make_key(principal)
        usage.count_request(access.principal_of_key(key))
        assert "1 request" in said(member_client.get(base + "usage/"))

    def test_nobody_sees_what_others_used(self, member_client, base, make_key):
        key, _ = make_key()
        Usage.objects.create(organisation=key.organisation, key=key, day=usage.today(), images=5)
        page = said(member_client.get(base + "usage/"))
        assert "No image was checked" in page
        assert key.name not in page

    @pytest.mark.parametrize("days", ["", "x", "-1", "31", "9" * 400, "\x00"])
    def test_other_spans_are_thirty_days(self, member_client, base, days):
        assert member_client.get(base + "usage/", {"days": days}).context["span"] == 30

    @pytest.mark.parametrize("page", ["usage/", "keys/"])
    def test_queries_do_not_grow(self, member_client, base, principal, make_key, page):
        def used(images: int) -> None:
            key, _ = make_key(principal)
            usage.count_images(access.principal_of_key(key), images)

        used(1)
        member_client.get(base + page)  # the first visit writes that there was one
        with CaptureQueriesContext(connection) as one:
            member_client.get(base + page)
        for images in range(12):
            used(images)
        with CaptureQueriesContext(connection) as many:
            member_client.get(base + page)
        assert len(many) == len(one)


class TestPlot:
    @given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), max_size=90))
    def test_bars_stand_on_the_ground_and_stay_within(self, amounts):
        days = [usage.today() + timedelta(days=number) for number in range(len(amounts))]
        drawn = plot(days, {"a": [a for a, _ in amounts], "b": [b for _, b in amounts]}, {"a": "a", "b": "b"})
        assert len(drawn.bars) == len(amounts)
        for bar, (a, b) in zip(drawn.bars, amounts, strict=True):
            assert len(bar.pieces) == (a > 0) + (b > 0)
            below = HEIGHT
            for piece in bar.pieces:
                assert piece.y + piece.height == pytest.approx(below, abs=0.02)
                below = piece.y
            assert below == pytest.approx(HEIGHT * (1 - (a + b) / drawn.top), abs=0.02)

    @given(st.integers(0, 10**9))
    def test_the_scale_ends_a_little_above_the_highest(self, value):
        top = ceiling(value)
        assert value <= top <= max(1, 2 * value)
