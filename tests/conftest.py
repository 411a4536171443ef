"""Fixtures for every test: people to act with, and nothing of a test left in ./data."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from django.core.cache import cache

from tests.cifake import YOLO

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

PASSWORD = "correct horse 9"
E2E = "tests/e2e/"
NO_YOLO = (
    "YOLOv8n's weights are not here: take yolov8n.pt from https://github.com/ultralytics/assets/releases and "
    "name it in YOLO_WEIGHTS, or put it into data/weights/"
)
LONG = (E2E, "tests/chaos/", "tests/isolation/", "tests/mlcore/", "tests/test_")


def pytest_collection_modifyitems(items):
    """What takes long begins first: else one process would be left with it while the other has no work."""
    if not YOLO.is_file():
        for item in items:
            if item.get_closest_marker("yolo"):
                item.add_marker(pytest.mark.skip(reason=NO_YOLO))
    items.sort(
        key=lambda item: next(
            (place for place, at in enumerate(LONG) if item.nodeid.startswith(at)), len(LONG)
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """By file; but tests/e2e as one: each process would start a product and a browser of its own."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return E2E if nodeid.startswith(E2E) else super()._split_scope(nodeid)

    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI everything is there that a test needs, so a skipped test is a hole, not a courtesy.

    YOLO's weights alone may be absent: they are no part of the project.
    """
    report = yield
    excused = item.get_closest_marker("yolo") and not YOLO.is_file()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail") and not excused:
        report.outcome, report.longrepr = "failed", f"skipped in CI: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _apart(settings, tmp_path: Path):
    """Each test has its own files, an empty cache (rate limits live there), and quick passwords."""
    settings.DATA_DIR = tmp_path / "data"
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.DATA_DIR.mkdir()
    settings.MEDIA_ROOT.mkdir()
    cache.clear()


@pytest.fixture
def make_user(db) -> Callable:
    """``make_user(email=…, name=…, **fields)``: a person with an own organisation."""
    from accounts.models import User

    numbers = count(1)

    def make(email: str | None = None, **fields):
        return User.objects.create_user(email or f"user{next(numbers)}@example.org", PASSWORD, **fields)

    return make


@pytest.fixture
def make_organisation(make_user) -> Callable:
    """``make_organisation(name=…, owner=…)``: one more organisation; its owner is made if none is given."""
    from accounts import services

    def make(name: str = "The Herald", owner=None):
        return services.found_organisation(name=name, owner=owner or make_user())

    return make


@pytest.fixture
def make_member(make_user) -> Callable:
    """``make_member(organisation, role="member", user=None)``: puts somebody into it; gives the user."""
    from accounts.models import Membership

    def make(organisation, role: str = "member", user=None):
        user = user or make_user()
        Membership.objects.create(organisation=organisation, user=user, role=role)
        return user

    return make


@pytest.fixture
def make_principal(make_user, make_organisation, make_member) -> Callable:
    """``make_principal(role="owner", organisation=None)``: somebody acting within an organisation."""
    from accounts.access import principal_for

    def make(role: str = "owner", organisation=None):
        if organisation is None and role == "owner":
            user = make_user()
            return principal_for(user, user.organisations.get().slug)
        organisation = organisation or make_organisation()
        return principal_for(make_member(organisation, role), organisation.slug)

    return make


@pytest.fixture
def make_key(make_principal) -> Callable:
    """``make_key(principal=None, scopes=all, **fields)``: an API key and its value, made by a principal."""
    from accounts import access, keys

    def make(principal=None, scopes=access.SCOPES, **fields):
        chosen = {"name": "Content system", "scopes": scopes, **fields}
        return keys.make(principal=principal or make_principal(), **chosen)

    return make


@pytest.fixture
def principal(make_principal):
    """The owner of an organisation of their own."""
    return make_principal()


@pytest.fixture
def member_client(client, principal):
    """``client``, signed in as ``principal.user``."""
    client.force_login(principal.user)
    return client
