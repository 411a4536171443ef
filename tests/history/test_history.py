"""The record: complete, in order, searchable, in pages that stay put, and cheap to read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from detection.models import Batch, BatchEntry, Detection
from history import selectors
from tests.accounts.test_pages import assert_framed
from tests.detection_pages import factory

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def record(principal):
    """``record(count, …)``: detections a minute apart, the last one newest."""

    def make(count: int, first: int = 0, **given) -> list[Detection]:
        base = factory.done(principal, "base.jpg", **given)
        runs, heat = list(base.stage_runs.all()), base.artefacts.get()
        made = []
        for number in range(first, first + count):
            copy = Detection.objects.get(pk=base.pk)
            copy.pk, copy.name = None, f"image {number:03}.jpg"
            copy.id = Detection._meta.pk.get_default()
            copy.created_at = START + timedelta(minutes=number)
            copy.save(force_insert=True)
            for row in (*runs, heat):
                row.pk, row.detection = None, copy
                row.save(force_insert=True)
            made.append(copy)
        base.delete()
        return made

    return make


@pytest.fixture
def get(member_client, principal):
    def fetch(query: str = ""):
        response = member_client.get(reverse("history", args=[principal.organisation.slug]) + query)
        assert response.status_code == 200
        assert_framed(response.content.decode())
        return response.content.decode()

    return fetch


def names(html: str) -> list[str]:
    return re.findall(r'record__name"><a[^>]*><bdi>([^<]*)', html)


def links(html: str) -> dict[str, str]:
    nav = re.search(r'class="pagination".*?</nav>', html, re.S)
    found = re.findall(r'<a[^>]*href="([^"]*)"[^>]*>([^<]*)', nav.group() if nav else "")
    return {text: href.replace("&amp;", "&") for href, text in found}


def test_newest_first_in_pages_of_25(get, record):
    record(60)
    first = get()
    second = get(links(first)["Older"])
    third = get(links(second)["Older"])
    assert [len(names(page)) for page in (first, second, third)] == [25, 25, 10]
    shown = names(first) + names(second) + names(third)
    assert shown == [f"image {n:03}.jpg" for n in reversed(range(60))]
    assert "Older" not in links(third)


def test_pages_stay_put_while_new_images_come_in(get, record):
    record(50)
    older = links(get())["Older"]
    before = names(get(older))
    Detection.objects.filter(name__lt="image 010").update(created_at=datetime(2099, 1, 1, tzinfo=UTC))
    Detection.objects.filter(created_at__year=2099).delete()
    factory_now = record(5, first=200)
    Detection.objects.filter(pk__in=[each.pk for each in factory_now]).update(
        created_at=datetime(2099, 1, 1, tzinfo=UTC)
    )
    assert names(get(older)) == [name for name in before if name >= "image 010"]


def test_sixty_rows_cost_no_more_than_eight_queries(get, record, django_assert_max_num_queries):
    record(60)
    get()  # the first of a minute also writes down that this session was seen
    with django_assert_max_num_queries(8):
        html = get()
    assert names(html)


def test_the_answer_filters_and_the_tabs_count(get, record):
    record(3)
    record(2, first=10, verdict="real", p_fake=0.02)
    record(1, first=20, verdict="uncertain", p_fake=0.5)
    declared = Detection.objects.filter(name__in=["image 000.jpg", "image 001.jpg"])
    declared.update(basis="declared")
    html = get("?answer=measured_real")
    assert names(html) == ["image 011.jpg", "image 010.jpg"]
    assert names(get("?answer=declared_ai")) == ["image 001.jpg", "image 000.jpg"]
    assert names(get("?answer=measured_ai")) == ["image 002.jpg"]
    assert names(get("?verdict=fake")) == [f"image 00{n}.jpg" for n in (2, 1, 0)]  # older links
    tabs = re.findall(r'(?:aria-current="page")?>([^<>]+) <span class="tabs__count">(\d+)', html)
    assert tabs == [
        ("All", "6"),
        ("Probably AI-generated", "1"),
        ("Declared AI-generated", "2"),
        ("Signed as AI-generated", "0"),
        ("Probably a real photo", "2"),
        ("Signed by a camera", "0"),
        ("Not sure", "1"),
    ]
    current = re.findall(
        r'<a href="([^"]*)" aria-current="page">', re.search('(?s)<nav class="tabs".*?</nav>', html)[0]
    )
    assert current == ["?answer=measured_real&amp;q="]


def test_search_looks_into_names_and_is_kept_by_tabs_and_pages(get, record):
    record(40)
    assert names(get("?q=MAGE 00")) == [f"image 00{n}.jpg" for n in reversed(range(10))]
    html = get("?q=image&answer=measured_ai")
    assert 'value="image"' in html
    assert "answer=measured_ai&q=image&" in links(html)["Older"]
    assert '?answer=measured_real&amp;q=image"' in html


def test_what_does_not_match_can_be_reset(get, record, principal):
    record(1)
    html = get("?q=<b>nothing")
    assert "Nothing matches" in html
    assert "&lt;b&gt;nothing" in html
    assert "<b>nothing" not in html
    assert f'href="{reverse("history", args=[principal.organisation.slug])}">Show everything' in html


def test_nothing_yet(get, principal):
    html = get()
    assert "Nothing has been checked yet" in html
    assert reverse("check", args=[principal.organisation.slug]) in html


@pytest.mark.parametrize(
    "query",
    [
        *("?page=99", "?page=0", "?page=-1", "?page=x", "?verdict=%00", "?q=%00", "?q=" + "y" * 3000),
        *("?until=yesterday", "?until=2026-99-99T00:00:00Z", "?until=2026-01-01"),
        *("?until=0001-01-01T00:00:00%2B23:59", "?until=9999-12-31T23:59:59-23:59"),
    ],
)
def test_addresses_that_make_no_sense_still_give_a_page(get, record, query):
    record(2)
    assert "<h1" in get(query)


def test_percent_and_underscore_are_only_letters(get, record):
    record(3)
    assert names(get("?q=%25")) == []
    assert names(get("?q=_")) == []


def test_each_row_tells_all(get, record, principal):
    [detection] = record(1)
    row = re.search(r'<tr class="record".*?</tr>', get(), re.S)[0]
    words = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", row))
    for part in ("image 000.jpg", "Probably AI-generated", "97.3 %", "120 ms", str(principal.user)):
        assert part in words
    assert f'datetime="{detection.created_at.isoformat()}"' in row
    assert reverse("detection_delete", args=[principal.organisation.slug, detection.pk]) in row


def test_members_may_delete_in_the_rows_of_their_own_alone(client, principal, make_principal):
    ben = make_principal("member", principal.organisation)
    theirs, own = factory.done(principal, "theirs.jpg"), factory.done(ben, "own.jpg")
    client.force_login(ben.user)
    html = client.get(reverse("history", args=[principal.organisation.slug])).content.decode()
    assert reverse("detection_delete", args=[principal.organisation.slug, own.pk]) in html
    assert reverse("detection_delete", args=[principal.organisation.slug, theirs.pk]) not in html


def test_a_row_tells_the_batch_the_folder_and_what_the_answer_rests_on(get, principal):
    long = "a name " + "of many words " * 14 + "x.jpg"
    detection = factory.done(principal, long)
    batch = Batch.objects.create(organisation=principal.organisation, archive_name="Pictures.zip", total=1)
    BatchEntry.objects.create(batch=batch, number=1, name=f"2026/march/{long}", detection=detection)
    Detection.objects.filter(pk=detection.pk).update(batch=batch, basis="declared")
    row = re.search(r'<tr class="record".*?</tr>', get(), re.S)[0]
    words = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", row))
    assert long in words
    assert "In Pictures.zip, folder 2026/march" in words
    assert "By the file’s own word" in words
    assert reverse("batch", args=[principal.organisation.slug, batch.pk]) in row


def test_rows_of_a_batch_cost_no_further_queries(get, record, principal, django_assert_max_num_queries):
    record(20)
    batch = Batch.objects.create(organisation=principal.organisation, total=20)
    for number, each in enumerate(Detection.objects.all()):
        BatchEntry.objects.create(batch=batch, number=number, name=f"a/{number}.jpg", detection=each)
    Detection.objects.update(batch=batch)
    get()
    with django_assert_max_num_queries(8):
        assert "folder" in get()


def test_auditors_see_no_delete(client, principal, make_principal, record):
    record(1)
    client.force_login(make_principal("auditor", principal.organisation).user)
    html = client.get(reverse("history", args=[principal.organisation.slug])).content.decode()
    assert "/delete/" not in html


def test_other_organisations_rows_are_not_there(get, record, make_principal):
    record(1)
    factory.done(make_principal(), "secret.jpg")
    assert names(get()) == ["image 000.jpg"]
    assert names(get("?q=secret")) == []


def test_until_survives_an_address_that_lost_its_plus():
    asked = selectors.filters({"until": "2026-01-01T10:00:00 00:00"})
    assert asked.until == datetime(2026, 1, 1, 10, tzinfo=UTC)
