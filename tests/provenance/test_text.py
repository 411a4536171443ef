"""Text whose encoding is wrong, missing or a lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.provenance import exif, text
from tests.provenance import makers

SETTINGS = "\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42"
SCRIPTS = {
    "English": "a castle on a hill, oil painting",
    "Chinese": "一座山上的城堡油画风格非常美丽" * 9,
    "Japanese": "山の上の城、油絵のような光" * 9,
    "Korean": "언덕 위의 성 유화 스타일" * 9,
    "Russian": "замок на холме, масло",
    "Arabic": "قلعة على تل لوحة زيتية",
    "Greek": "κάστρο σε λόφο",
    "Thai": "ปราสาทบนเขาภาพสีน้ำมัน",
    "Hindi": "पहाड़ी पर महल, तैल चित्र",
    "German": "größere Häuser über Öl",
}
HEADS = (b"UNICODE\0", b"Unicode\0", b"unicode\0", b"UNICODE ", b"", bytes(8), b"ASCII\0\0\0")


@pytest.mark.parametrize("prompt", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_comment_in_any_script_order_and_head(prompt, head, code, big_endian):
    raw = head + (prompt + SETTINGS).encode(code)
    assert text.user_comment(raw, big_endian) == prompt + SETTINGS


@pytest.mark.parametrize("mark", ["utf-16-le", "utf-16-be"])
def test_byte_order_mark_counts_before_the_file_order(mark):
    raw = b"UNICODE\0" + ("\ufeff" + SCRIPTS["Chinese"]).encode(mark)
    assert {text.user_comment(raw, big_endian) for big_endian in (True, False)} == {SCRIPTS["Chinese"]}


@pytest.mark.parametrize("code", ["iso2022_jp", "shift_jis", "euc_jp", "utf-8", "utf-16-le"])
def test_japanese_code_word(code):
    prompt = SCRIPTS["Japanese"]
    assert text.user_comment(b"JIS\0\0\0\0\0" + (prompt + SETTINGS).encode(code)) == prompt + SETTINGS


@pytest.mark.parametrize("words", ["größer", "L’été à la plage", "plain words"])
def test_western_text_is_not_taken_for_utf_16(words):
    assert text.decoded(words.encode("cp1252")) == words
    assert text.decoded(words.encode("utf-8") + bytes(3)) == words


def test_few_control_characters_do_not_make_utf_16():
    assert text.decoded(b"a castle\x1b[31m on a hill") == "a castle\x1b[31m on a hill"


@pytest.mark.parametrize("kind", [1, 2, 7])
@pytest.mark.parametrize("ifd0", [True, False])
def test_user_comment_of_any_type_in_either_directory(kind, ifd0):
    raw = b"UNICODE\0" + (SCRIPTS["Chinese"] + SETTINGS).encode("utf-16-be")
    data = makers.tiff_tags({0x9286: (kind, raw)}, sub=not ifd0)
    assert exif.read(data).texts["comment"] == SCRIPTS["Chinese"] + SETTINGS


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_become_text(raw, big_endian):
    assert isinstance(text.user_comment(raw, big_endian), str)
    assert isinstance(text.decoded(raw, big_endian), str)
