"""Objects that are told as there, and guesses that are folded away."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from detection import selectors
from detection.files import _objects
from mlcore import objects
from tests import hostile
from tests.detection_pages import factory

pytestmark = pytest.mark.django_db
GIRAFFE = {"name": "giraffe", "score": 0.41, "box": [1.0, 2.0, 30.0, 20.0]}
LARGE = hostile.jpeg(300, 200)


@pytest.fixture
def seen(principal):
    def make(*found: dict, data: bytes = LARGE):
        detection = factory.done(principal, data=data, objects=found)
        return detection, selectors.state(selectors.get(principal, detection.pk))

    return make


@pytest.fixture
def html(member_client, principal):
    def get(detection) -> str:
        address = reverse("detection_detail", args=[principal.organisation.slug, detection.pk])
        return member_client.get(address).content.decode()

    return get


def frames(page: str) -> int:
    drawn = page[page.index('class="viewer__boxes"') :]
    return drawn[: drawn.index("</svg>")].count("<rect ")


def test_each_is_marked_and_only_sure_ones_describe_the_scene(seen):
    _, state = seen(factory.DOG, GIRAFFE, GIRAFFE)
    assert [(each["name"], each["sure"]) for each in state["objects"]] == [
        ("dog", True), ("giraffe", False), ("giraffe", False),
    ]  # fmt: skip
    assert [each["name"] for each in state["sure_objects"]] == ["dog"]
    assert state["scene"] == [{"text": "dog"}]
    assert state["objects_text"] == "1 object was recognised."
    assert state["guesses_text"] == "Less sure, and often not there: giraffe × 2."


def test_guesses_alone_are_no_objects(seen):
    _, state = seen(GIRAFFE)
    assert (state["sure_objects"], state["scene"]) == ([], [])
    assert state["objects_text"] == "No object was recognised with enough certainty."


def test_without_guesses_nothing_is_said_of_them(seen):
    _, state = seen()
    assert state["guesses_text"] == ""
    assert "No object was recognised: " in state["objects_text"]


def test_the_page_lists_and_frames_the_sure_ones_and_folds_guesses_away(seen, html):
    detection, _ = seen(factory.DOG, GIRAFFE)
    page = html(detection)
    assert frames(page) == 1
    rows = re.findall(r'class="objects__row"[^>]*data-index[^>]*><span>(\w+)', page)
    assert rows == ["dog"]
    fold = page[page.index("<summary>Less sure</summary>") :]
    assert "giraffe" in fold[: fold.index("</details>")]


def test_there_are_no_frames_where_nothing_is_sure(seen, html):
    detection, _ = seen(GIRAFFE)
    page = html(detection)
    assert frames(page) == 0
    assert re.search(r'data-if="sure_objects" hidden><input type="checkbox" id="show-boxes"', page)


def test_the_overlay_frames_the_sure_ones(seen, principal):
    detection, _ = seen(factory.DOG, GIRAFFE)
    assert [each.name for each in _objects(selectors.get(principal, detection.pk))] == ["dog"]


@pytest.mark.parametrize(
    ("score", "size", "sure"),
    [
        (objects.SURE, (640, 480), True),
        (objects.SURE - 0.01, (640, 480), False),
        (objects.SURE, (64, 20), True),
        (0.99, (63, 63), False),
        (0.99, (32, 32), False),
    ],
)
def test_how_sure_it_must_be_depends_on_the_size(score, size, sure):
    assert objects.is_sure(score, size) is sure
