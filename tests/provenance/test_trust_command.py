"""manage.py trust: fetches or copies lists when asked, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from mlcore.provenance import trust
from tests.provenance.serving import serving
from tests.provenance.signed import Authority

SIGNERS, STAMPERS = (Authority(name).pem.encode() for name in ("Signers", "Stampers"))
LISTS = {trust.SIGNERS: SIGNERS, trust.STAMPERS: STAMPERS}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name, content in LISTS.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def target(tmp_path: Path, settings) -> Path:
    settings.C2PA_TRUST_DIR = tmp_path / "trust"
    return settings.C2PA_TRUST_DIR


def run(*arguments: object) -> str:
    out = io.StringIO()
    call_command("trust", *map(str, arguments), stdout=out)
    return out.getvalue()


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def test_copies_out_of_a_folder_and_shows(source, target):
    said = run("update", "--from", source)
    assert held(target) == LISTS
    assert "1 certificates, 1 valid today" in said
    assert "Signers Ltd" in said
    assert run("show") == said


def test_fetches_from_the_address_that_is_set(target, settings):
    with serving(lambda path: LISTS[path.rpartition("/")[2]]) as (address, asked):
        settings.C2PA_TRUST_URL = f"{address}/lists/"
        run("update")
    assert held(target) == LISTS
    assert asked == [f"/lists/{name}" for name in trust.FILES]


def test_show_fetches_nothing(target, settings):
    with serving(lambda _: SIGNERS) as (address, asked):
        settings.C2PA_TRUST_URL = address
        assert "none" in run("show")
    assert asked == []
    assert held(target) == {}


def test_without_a_folder_set_the_lists_lie_with_the_sites_data(source, settings, monkeypatch):
    settings.C2PA_TRUST_DIR = None
    monkeypatch.delenv("C2PA_TRUST_DIR", raising=False)
    run("update", "--from", source)
    assert held(settings.DATA_DIR / "c2pa") == LISTS


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"<html>Not found</html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        SIGNERS[:-60],
        SIGNERS + b"x" * trust.MOST_BYTES,
        SIGNERS * (trust.MOST_CERTIFICATES + 1),
    ],
    ids=["empty", "page", "no certificate", "cut off", "too large", "too many"],
)
def test_what_is_no_list_replaces_neither(source, target, bad):
    run("update", "--from", source)
    (source / trust.STAMPERS).write_bytes(bad)
    (source / trust.SIGNERS).write_bytes(STAMPERS)
    with pytest.raises(CommandError, match=trust.STAMPERS):
        run("update", "--from", source)
    assert held(target) == LISTS


def test_a_server_that_sends_no_list_replaces_nothing(source, target, settings):
    run("update", "--from", source)
    with serving(lambda _: b"x" * (trust.MOST_BYTES + 10)) as (address, _):
        settings.C2PA_TRUST_URL = address
        with pytest.raises(CommandError, match="larger than"):
            run("update")
    assert held(target) == LISTS


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc"])
def test_only_web_addresses_are_fetched(target, settings, address):
    settings.C2PA_TRUST_URL = address
    with pytest.raises(CommandError, match="no web address"):
        run("update")


def test_a_server_that_is_not_there(target, settings):
    with serving(lambda _: b"") as (address, _):
        pass
    settings.C2PA_TRUST_URL = address
    with pytest.raises(CommandError, match="--from"):
        run("update")


def test_a_missing_folder_is_said(target, tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        run("update", "--from", tmp_path / "nowhere")


def test_a_target_that_cannot_be_written_to(source, target):
    target.write_text("a file where the folder should be")
    with pytest.raises(CommandError, match="cannot be written to"):
        run("update", "--from", source)


def test_a_failed_write_leaves_the_old_list_and_no_rest(source, target, monkeypatch):
    run("update", "--from", source)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trust.os, "fsync", full)
    with pytest.raises(CommandError, match="No space left"):
        run("update", "--from", source)
    assert held(target) == LISTS


def test_a_list_that_is_damaged_on_disk_counts_as_none(source, target):
    run("update", "--from", source)
    assert trust.load(target) is not None
    (target / trust.SIGNERS).write_bytes(b"damaged")
    assert trust.load(target) is None
    assert "none" in run("show")
