"""Dates on pages: relative words, the exact time in the title, in the organisation's time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.templatetags import dates

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(days=1, hours=5), "1 day ago"),
        (timedelta(days=45), "1 month ago"),
        (timedelta(days=800), "2 years ago"),
        (timedelta(seconds=-1), "in a moment"),
        (timedelta(days=-3), "in 3 days"),
    ],
)
def test_how_long_ago(passed, words):
    assert f">{words}</time>" in dates.when(NOW - passed)


def test_the_title_is_exact_and_names_the_zone():
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert 'title="29 November 2026, 13:00:00 CET"' in dates.when(NOW.isoformat())


def test_a_template_for_scripts_is_an_empty_time():
    assert dates.when(None, slot="created_at") == '<time class="when" data-time="created_at"></time>'


def test_no_page_writes_dates_in_a_style_of_its_own():
    """Values of date fields, headings by day or month, and axes of charts are no moments."""
    allowed = {
        "templates/history/activity.html",
        "templates/accounts/usage.html",
        "templates/accounts/usage_plot.html",
    }
    own = re.compile(r"\|date:|\|time:|\|naturaltime|\|timesince|<time ")
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.glob("templates/**/*.html")
        if own.search(path.read_text())
    }
    assert found <= allowed
