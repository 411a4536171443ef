"""An organisation's logo: drawn anew, served through the gate; and pictures that are made to hurt."""

from __future__ import annotations

import io
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from accounts import organisations
from accounts.errors import Refused
from accounts.logos import MOST_BYTES, logo_from
from accounts.signals import happened
from tests.accounts.acts import picture, upload, url

pytestmark = pytest.mark.django_db


def files_in(folder: str | Path) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_logo_is_drawn_anew_and_served_through_the_gate(member_client, principal, form, settings):
    upload(member_client, principal, picture(form))
    response = member_client.get(url("organisation_logo", principal.organisation))
    assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    served = Image.open(io.BytesIO(response.content))
    assert (served.format, served.size, served.info) == ("PNG", (256, 128), {})
    again = member_client.get(
        url("organisation_logo", principal.organisation), headers={"if-none-match": response["ETag"]}
    )
    assert again.status_code == 304
    [file] = files_in(settings.MEDIA_ROOT)
    assert re.fullmatch(r"[0-9a-f]{2}/[0-9a-f]{32}", str(file.relative_to(settings.MEDIA_ROOT)))
    page = member_client.get(url("check", principal.organisation)).content.decode()
    assert f'src="{url("organisation_logo", principal.organisation)}"' in page


def test_a_small_logo_is_not_enlarged_and_one_on_its_side_stands_up(member_client, principal):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    upright = Image.open(io.BytesIO(logo_from(picture("JPEG", (100, 50), exif=exif))))
    assert upright.size == (50, 100)


def test_the_old_file_goes_once_the_new_one_is_on_record(
    member_client, principal, settings, django_capture_on_commit_callbacks
):
    upload(member_client, principal, picture())
    first = files_in(settings.MEDIA_ROOT)
    with django_capture_on_commit_callbacks(execute=True):
        upload(member_client, principal, picture(size=(20, 20)))
    second = files_in(settings.MEDIA_ROOT)
    assert len(second) == 1
    assert second != first
    with django_capture_on_commit_callbacks(execute=True):
        member_client.post(url("organisation_logo_remove", principal.organisation))
    assert files_in(settings.MEDIA_ROOT) == []
    assert member_client.get(url("organisation_logo", principal.organisation)).status_code == 404


def test_a_change_that_fails_leaves_the_old_file_and_no_new_one(principal, settings):
    organisations.set_logo(principal=principal, data=picture())
    before = files_in(settings.MEDIA_ROOT)

    def fail(**_):
        raise RuntimeError("no room for the audit log")

    happened.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            organisations.set_logo(principal=principal, data=picture(size=(9, 9)))
    finally:
        happened.disconnect(fail)
    assert files_in(settings.MEDIA_ROOT) == before


def claiming(width: int, height: int) -> bytes:
    """A few bytes of PNG that claim a picture of that size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    chunks = (b"IHDR", head), (b"IDAT", body), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HOSTILE = {
    "svg": (SVG, "not a picture that we can read"),
    "html": (b"<html><script>alert(1)</script>", "not a picture that we can read"),
    "cut in half": (picture()[:100], "not a picture that we can read"),
    "cut jpeg": (picture("JPEG")[:300], "not a picture that we can read"),
    "gif": (picture("GIF"), "not a picture that we can read"),
    "tiff": (picture("TIFF"), "not a picture that we can read"),
    "gigapixels": (claiming(60_000, 60_000), "too many pixels"),
    "many pixels": (claiming(5000, 5000), "too many pixels"),
    "nothing wide": (claiming(0, 10), "not a picture that we can read"),
    "too many bytes": (picture() + b"\0" * MOST_BYTES, "too large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_logo_is_refused_with_a_sentence(member_client, principal, settings, name):
    data, words = HOSTILE[name]
    response = upload(member_client, principal, data)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert files_in(settings.MEDIA_ROOT) == []


def test_no_file_and_an_empty_one_are_refused(member_client, principal):
    assert member_client.post(url("organisation_logo_change", principal.organisation), {}).status_code == 422
    assert upload(member_client, principal, b"").status_code == 422


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(where=st.integers(0, 4000), what=st.binary(max_size=40), form=st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_whatever_is_broken_in_a_picture_nothing_but_refused_is_raised(where, what, form):
    data = picture(form, (60, 40))
    at = where % len(data)
    with suppress(Refused):
        made = logo_from(data[:at] + what + data[at + len(what) :])
        assert max(Image.open(io.BytesIO(made)).size) <= 256
