"""The function and the table in the docs are the same, for every combination of inputs."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.contracts import Basis, Gate, ModelRef, Provenance, ProvenanceSummary, Stability, Verdict
from mlcore.decision import decide

TABLE = Path(__file__).parents[2] / "docs" / "decision-table.md"
THRESHOLDS = {"fake": 0.8, "real": 0.3}
NUMBERS = {"missing": None, "fake": 0.8, "between": 0.3, "real": 0.29}
STABILITIES = {"stable": (None, True), "unstable": (False,), "any": (None, True, False)}
DECIDING = {"declared_ai_signed", "camera_signed", "declared_ai"}


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def fits(row: list[str], summary: str | None, inside: bool, number: str, stable: bool | None) -> bool:
    _, provenance, domain, wanted, stability, *_ = row
    return all(
        (
            summary == provenance or (provenance == "any other" and summary not in DECIDING),
            domain == "any" or inside == (domain == "inside"),
            wanted in ("any", number) or (wanted == "decided" and number in ("fake", "real")),
            stable in STABILITIES[stability],
        )
    )


def found(summary: str | None, inside: bool, number: str, stable: bool | None):
    return decide(
        NUMBERS[number],
        THRESHOLDS,
        Gate(inside, "" if inside else "Too large for this model."),
        Provenance(ProvenanceSummary(summary), "") if summary else None,
        None if stable is None else Stability(0.5, 0.4, (), stable, ModelRef("m", "1", "0")),
    )


CASES = list(product([None, *map(str, ProvenanceSummary)], [True, False], NUMBERS, [None, True, False]))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_combination_is_decided_as_the_table_says(case):
    row = next(row for row in rows() if fits(row, *case))
    decision = found(*case)
    assert [decision.key, decision.verdict, decision.basis] == [row[0], row[5], row[6]]
    assert (decision.confidence is not None) == (row[7] == "given")
    assert decision.reason.endswith(".")


@pytest.mark.parametrize("summary", sorted(DECIDING))
def test_a_declaration_says_whose_it_is_and_a_trusted_signature_speaks_for_itself(summary):
    said = "The file carries a complete signature by a stranger."
    decision = decide(None, THRESHOLDS, Gate(True), Provenance(ProvenanceSummary(summary), said))
    assert (decision.reason == said) == (summary == "declared_ai")


def test_every_row_of_the_table_is_met():
    assert {row[0] for row in rows()} == {found(*case).key for case in CASES}


def test_the_gate_gives_the_reason():
    assert found(None, False, "fake", None).reason == "Too large for this model."
    assert decide(0.99, THRESHOLDS, Gate(False)).reason


def test_confidence_is_that_of_the_announced_class():
    assert found(None, True, "fake", True).confidence == pytest.approx(0.8)
    assert found(None, True, "real", True).confidence == pytest.approx(0.71)


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0.5, 1))
def test_by_pixels_alone_an_answer_needs_its_threshold(p_fake, real, fake):
    decision = decide(p_fake, {"fake": fake, "real": real}, Gate(True))
    assert (decision.verdict is Verdict.FAKE) == (p_fake >= fake)
    assert (decision.verdict is Verdict.REAL) == (p_fake < real)
    assert decision.basis is Basis.PIXELS
