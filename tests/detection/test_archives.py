from __future__ import annotations

import io
import random
import stat
import struct
import zipfile
from contextlib import suppress
from dataclasses import asdict

import hypothesis
import pytest
from hypothesis import strategies as st

from detection import archives
from detection.archives import ArchiveRefused, Limits, Place
from tests.zips import handmade, zipped

MIB = 1024 * 1024
LIMITS = Limits()


def look(data: bytes, limits: Limits = LIMITS) -> list[Place]:
    return archives.look(io.BytesIO(data), limits)


def code_of(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(ArchiveRefused) as refused:
        look(data, limits)
    assert str(refused.value).endswith(".")
    return refused.value.code


def read_all(data: bytes) -> dict[str, bytes]:
    file = io.BytesIO(data)
    return {place.name: archives.read(file, place, MIB) for place in look(data)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_as_they_went_in(method):
    files = {"a.jpg": b"a" * 300_000, "folder/b.png": random.Random(1).randbytes(100_000), "Äpfel.jpg": b""}
    assert read_all(zipped(files, method)) == files


def test_a_repetition_that_ends_beyond_a_piece_comes_out_whole():
    """zlib has then been fed all of the file, and still holds the end of it."""
    for size in range(archives.PIECE - 2, archives.PIECE + 300):
        assert read_all(zipped({"a.bmp": bytes(size)})) == {"a.bmp": bytes(size)}


def test_a_place_survives_json():
    (place,) = look(zipped({"a.jpg": b"a"}))
    assert Place(**asdict(place)) == place


def test_a_zip_written_as_a_stream_has_its_sizes_behind_the_files():
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise OSError

        def tell(self):
            raise OSError

    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"a" * 1000)
        archive.writestr("b.jpg", b"b" * 1000)
    assert read_all(out.getvalue()) == {"a.jpg": b"a" * 1000, "b.jpg": b"b" * 1000}


def test_zip64(monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    files = {"a.jpg": b"a" * 300, "b.jpg": b"b" * 10}
    data = zipped(files, zipfile.ZIP_STORED)
    assert b"PK\6\6" in data
    assert read_all(data) == files


def test_what_systems_put_beside_the_files_is_passed_over():
    files = {
        "a/": b"", "a/b.jpg": b"b", "__MACOSX/a/._b.jpg": b"m", "a/.DS_Store": b"d", "a/._b.jpg": b"r",
        "Thumbs.db": b"t", "a/__MACOSX/x.zip": b"",
    }  # fmt: skip
    assert [place.name for place in look(zipped(files))] == ["a/b.jpg"]


def test_names_of_old_and_of_mac_zips():
    names = [place.name for place in look(handmade([b"\x8epfel.jpg", "Öl.jpg".encode()]))]
    assert names == ["Äpfel.jpg", "Öl.jpg"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_a_zip"),
        (b"\xff\xd8\xff picture", "not_a_zip"),
        (handmade([]), "empty"),
        (zipped({"a/": b"", ".DS_Store": b"d"}), "empty"),
        (zipped({"a.jpg": bytes(50_000)}, 0)[:30_000], "truncated"),
        (zipped({"a.jpg": bytes(50_000)})[:-1], "truncated"),
        (zipped({"a.jpg": bytes(50_000)}, 0)[20:], "damaged"),
        (b"#!/bin/sh" + zipped({"a.jpg": b"a"}), "damaged"),
        (handmade([b"/etc/passwd"]), "unsafe_name"),
        (handmade([b"\\windows\\a.jpg"]), "unsafe_name"),
        (handmade([b"C:\\a.jpg"]), "unsafe_name"),
        (handmade([b"../a.jpg"]), "unsafe_name"),
        (handmade([b"a/../../b.jpg"]), "unsafe_name"),
        (handmade([b"a\\..\\b.jpg"]), "unsafe_name"),
        (handmade([b"../"]), "unsafe_name"),
        (handmade([b""]), "unsafe_name"),
        (handmade([b"a\0.jpg"]), "unsafe_name"),
        (handmade([b"a" * 2000]), "unsafe_name"),
        (handmade([b"more.zip"]), "nested_archive"),
        (handmade([b"folder/more.TAR.GZ"]), "nested_archive"),
        (handmade([b"link.jpg"], outside=(stat.S_IFLNK | 0o777) << 16), "link"),
        (handmade([b"pipe.jpg"], outside=(stat.S_IFIFO | 0o777) << 16), "special_file"),
        (handmade([b"device"], outside=(stat.S_IFBLK | 0o777) << 16), "special_file"),
        (handmade([b"secret.jpg"], flags=1), "encrypted"),
        (handmade([b"secret.jpg"], flags=0x41), "encrypted"),
        (handmade([b"a" * 65_000], flags=1), "unsafe_name"),
        (handmade([b"a.jpg", b"a.jpg"]), "duplicate"),
        (handmade([b"a.jpg", b"b.jpg"], shared=True), "overlap"),
        (handmade([b"a.jpg", b"b.jpg"], count=1), "damaged"),
        (handmade([b"a.jpg", b"b.jpg"], count=3), "damaged"),
        (handmade([b"a.jpg"], size=9 * 1024 * MIB & 0xFFFFFFF0), "bomb"),
        (zipped({"a.jpg": bytes(70 * MIB)}), "bomb"),
    ],
)
def test_refused(data, code):
    assert code_of(data) == code


def test_the_number_of_files():
    names = [f"{number}.jpg".encode() for number in range(6)]
    assert len(look(handmade(names), Limits(entries=6))) == 6
    assert code_of(handmade(names), Limits(entries=5)) == "too_many_entries"


def test_a_hundred_thousand_are_refused_before_one_is_listed():
    """By the count at the end; its directory is not read at all."""
    data = handmade(f"{number}.jpg".encode() for number in range(100_000))
    seen = []

    class Watched(io.BytesIO):
        def read(self, size=-1):
            seen.append(size)
            return super().read(size)

    with pytest.raises(ArchiveRefused) as refused:
        archives.look(Watched(data), LIMITS)
    assert refused.value.code == "too_many_entries"
    assert sum(seen) < 70_000


def test_a_count_that_lies_ends_with_the_count():
    data = handmade((f"{number}.jpg".encode() for number in range(100_000)), count=10)
    assert code_of(data) == "damaged"


def test_the_size_of_all_files():
    data = zipped({"a.jpg": bytes(600), "b.jpg": bytes(600)}, 0)
    assert code_of(data, Limits(total_bytes=1000)) == "too_large"


def test_a_file_that_unpacks_to_more_than_it_says_is_not_unpacked_on():
    data = bytearray(zipped({"a.jpg": bytes(60 * MIB)}))
    (place,) = look(bytes(data), Limits(small=100 * MIB))
    assert len(archives.read(io.BytesIO(data), place, 1000)) == 1001


def test_nor_is_one_that_lies_of_its_size(monkeypatch):
    """Sizes are bounded together, by what the entries say; ten thousand that lie would unpack 250 GB."""
    monkeypatch.setattr(archives, "PIECE", 1000)
    whole = zipped({"a.jpg": bytes(10 * MIB)})
    lies, asked = whole.replace(struct.pack("<L", 10 * MIB), struct.pack("<L", 10)), []

    class Watched(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    (place,) = look(lies)
    with pytest.raises(ArchiveRefused) as refused:
        archives.read(Watched(lies), place, 25 * MIB)
    assert refused.value.code == "damaged_entry"
    assert place.size == 10
    assert sum(asked) < place.packed  # it has not even been read to its end


def damaged(data: bytes) -> bool:
    file = io.BytesIO(data)
    (place,) = look(data)
    with pytest.raises(ArchiveRefused) as refused:
        archives.read(file, place, MIB)
    return refused.value.code == "damaged_entry"


def test_a_damaged_file_is_told_from_a_whole_one():
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = bytearray(zipped({"a.jpg": random.Random(2).randbytes(1000)}, method))
        data[500] ^= 0xFF
        assert damaged(bytes(data))
    renamed = zipped({"a.jpg": b"a"}).replace(b"a.jpg", b"b.jpg", 1)  # in the file's own header alone
    assert damaged(renamed)
    assert damaged(handmade([b"a.jpg"], size=5))


def test_unusual_packing_is_refused_for_the_one_file():
    data = zipped({"a.jpg": b"a" * 100}, zipfile.ZIP_LZMA)
    (place,) = look(data)
    with pytest.raises(ArchiveRefused) as refused:
        archives.read(io.BytesIO(data), place, MIB)
    assert refused.value.code == "unsupported_packing"


@hypothesis.settings(deadline=None)
@hypothesis.given(st.data())
def test_any_damage_ends_in_a_sentence(data):
    whole = bytearray(zipped({"a.jpg": b"abc" * 50, "b/c.png": bytes(50)}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for each in (bytes(whole), bytes(whole[:cut]), bytes(whole[cut:])):
        with suppress(ArchiveRefused):
            for place in look(each):
                assert len(archives.read(io.BytesIO(each), place, 100)) <= 101


def test_nothing_of_it_reaches_the_disk(tmp_path, monkeypatch):
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    read_all(zipped({"a/b.jpg": b"b"}))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("more", ["extra", "comment"])
def test_a_swollen_directory_is_refused_unread(more, monkeypatch):
    """131 MB of extra fields took 12.6 seconds to step through."""
    monkeypatch.setattr(archives, "_entry", lambda *given: pytest.fail("read"))
    data = handmade([b"%d.jpg" % number for number in range(300)], **{more: b"\1\0\0\0" * 1000})
    assert code_of(data) == "damaged"


def test_what_archivers_add_to_each_entry_is_no_fault():
    names = [f"{'ä' * 120}/{number}.jpg".encode() for number in range(50)]
    assert (
        len(look(handmade(names, extra=b"up" + struct.pack("<H", 240) + bytes(240), comment=b"c" * 50))) == 50
    )


def test_of_many_extra_fields_few_are_looked_through():
    extra = b"\2\0\0\0" * 1000 + b"\1\0\x08\0" + struct.pack("<Q", 1)
    assert archives._extra(extra, 1) == b""
    assert archives._extra(extra[-12:], 1) == struct.pack("<Q", 1)
