"""CSV that spreadsheets open: whatever they split lines at, no cell of it is a formula."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cifake_site.csv import lines

FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "|", "%")
CUT_OFF = ' \u00a0\ufeff\u200b\u3000\n"'
PARTS = st.sampled_from(
    [*FORMULAS, *CUT_OFF, "\t", "\r", ";", ",", "'", "a", "1", "\v", "\x85", "\u2028", "cmd|'/C calc'!A0"]
)
# On a machine that is busy with other things an example may take long.
ANYWHERE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.lists(PARTS, max_size=12).map("".join) | st.text(max_size=20)


def cells(text: str, delimiter: str, quoting: int) -> list[str]:
    """As a program reads them that splits at ``delimiter``, with quotes or without."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    return [cell for row in reader for cell in row]


def is_formula(cell: str) -> bool:
    """Whatever of its beginning a program cuts off."""
    return cell.lstrip(CUT_OFF + "\t\r\v\x85\u2028").startswith(FORMULAS)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@ANYWHERE
@given(rows=st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=3))
@example(rows=[["a;=1+1"]])
@example(rows=[["a\t=1+1", "b\n=1", "c\r=1"]])
@example(rows=[['x";"=1', 'y;"=1']])
@example(rows=[["\ufeff=1", "\u00a0 @x", "＝1"]])
@example(rows=[["-5", "+31 20 123"]])
def test_no_cell_is_a_formula(delimiter, rows):
    written = lines(rows).decode()
    assert not [cell for cell in cells(written, delimiter, csv.QUOTE_MINIMAL) if is_formula(cell)]


@ANYWHERE
@given(row=st.lists(TEXTS, min_size=1, max_size=3))
def test_nor_does_one_begin_with_a_tab_or_the_end_of_a_line(row):
    """Which a program may cut off, or turn into one more cell."""
    assert not [
        cell for cell in cells(lines([row]).decode(), ",", csv.QUOTE_MINIMAL) if cell[:1] in ("\t", "\r")
    ]


@ANYWHERE
@given(row=st.lists(TEXTS, min_size=1, max_size=3))
@example(row=["a;=1+1", "=1"])
def test_nor_for_a_program_that_splits_at_semicolons_and_knows_no_quotes(row):
    written = lines([row]).decode()
    found = [cell for line in written.splitlines() for cell in line.split(";")]
    assert not [cell for cell in found if is_formula(cell)]


@pytest.mark.parametrize("text", ["cat.png", "a;b", "first-last, 5 % off", "line\nline", "é=1", "x'=1", ""])
def test_what_is_no_formula_stays_as_it_is(text):
    assert list(csv.reader(io.StringIO(lines([[text, "x"]]).decode(), newline=""))) == [[text, "x"]]


def test_numbers_of_ours_stay_numbers():
    assert lines([[-5, -0.25, None, "-5"]]) == b"-5,-0.25,,'-5\r\n"
