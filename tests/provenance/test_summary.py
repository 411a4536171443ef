"""Findings of one file come to one word and one sentence."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.contracts import Finding, ProvenanceSummary, Says, Source
from mlcore.provenance.summary import SENTENCES, strongest_first, summarise
from mlcore.provenance.summary import WATERMARK as MARK


def found(
    says: Says, source: Source = Source.C2PA, *, signed: bool = False, trusted: bool = False
) -> Finding:
    return Finding(source, says, "t", "d", signed=signed or trusted, trusted=trusted)


AI, CAMERA = found(Says.AI, Source.METADATA), found(Says.CAMERA, Source.METADATA)
AI_UNLISTED, AI_TRUSTED = found(Says.AI, signed=True), found(Says.AI, trusted=True)
CAMERA_UNLISTED, CAMERA_TRUSTED = found(Says.CAMERA, signed=True), found(Says.CAMERA, trusted=True)
EDITED, EDITED_TRUSTED = found(Says.EDITED, Source.METADATA), found(Says.EDITED, trusted=True)
INVALID, INFO = found(Says.INVALID), found(Says.INFO, trusted=True)
CONTRADICTION = found(Says.CONTRADICTION, Source.METADATA)
WATERMARK = found(Says.AI, Source.WATERMARK)

CASES = [
    ([], "none"),
    ([INFO], "none"),
    ([CONTRADICTION], "none"),
    ([AI_TRUSTED], "declared_ai_signed"),
    ([AI_TRUSTED, CAMERA], "declared_ai_signed"),
    ([AI_UNLISTED], "declared_ai"),
    ([AI], "declared_ai"),
    ([WATERMARK], "declared_ai"),
    ([WATERMARK, CAMERA, EDITED], "declared_ai"),
    ([INFO, AI], "declared_ai"),
    ([INVALID, AI], "declared_ai"),
    ([CAMERA_UNLISTED, AI], "declared_ai"),
    ([CAMERA_TRUSTED], "camera_signed"),
    ([CAMERA_TRUSTED, WATERMARK], "camera_signed"),
    ([CAMERA_UNLISTED], "camera_claimed"),
    ([CAMERA], "camera_claimed"),
    ([INFO, CAMERA], "camera_claimed"),
    ([CAMERA, EDITED], "edited"),
    ([EDITED_TRUSTED], "edited"),
    ([INVALID], "invalid"),
    ([INVALID, CAMERA], "invalid"),
    ([INVALID, EDITED], "invalid"),
]


@pytest.mark.parametrize(("findings", "word"), CASES)
def test_the_word(findings, word):
    assert summarise(findings)[0] == word
    if word != "declared_ai":
        assert summarise(findings)[1] == SENTENCES[ProvenanceSummary(word)]


NOTE = "Anyone can write or remove such a note"
SIGNERS = {
    "not listed": "is not on the list of trusted signers, so nobody vouches for who signed it",
    "revoked": "was withdrawn, so nobody vouches",
    "not known": "has expired, so nobody vouches",
    "not checked": "There is no list of trusted signers here",
    "listed": "the one who said this is not known to be",
}


@pytest.mark.parametrize("source", [Source.METADATA, Source.GENERATOR, Source.C2PA])
@pytest.mark.parametrize("more", [[], [CAMERA], [INVALID], [EDITED_TRUSTED]])
def test_a_note_can_be_written_by_anyone(source, more):
    assert NOTE in summarise([*more, found(Says.AI, source)])[1]


@pytest.mark.parametrize(("signer", "words"), SIGNERS.items())
def test_a_complete_signature_is_no_note(signer, words):
    facts = {"signer": signer, "hash_covers_everything": True}
    sentence = summarise([AI, WATERMARK, replace(AI_UNLISTED, facts=facts)])[1]
    assert "complete signature" in sentence
    assert "not been changed since it was signed" in sentence
    assert words in sentence
    assert NOTE not in sentence


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signature_that_leaves_parts_out_does_not_say_unchanged(signer):
    facts = {"signer": signer, "hash_covers_everything": False}
    sentence = summarise([replace(AI_UNLISTED, facts=facts)])[1]
    assert "leaves parts of the file out" in sentence
    assert "not been changed" not in sentence
    assert sentence.endswith(".")


def test_a_watermark_is_no_note():
    assert summarise([AI, WATERMARK])[1] == MARK
    assert NOTE not in MARK


def test_every_word_has_a_case_and_a_sentence():
    assert {word for _, word in CASES} == set(ProvenanceSummary) == set(SENTENCES)


def test_nothing_found_proves_nothing():
    assert "proves nothing" in summarise([])[1]


@given(st.lists(st.sampled_from([AI, AI_TRUSTED, CAMERA_TRUSTED, CAMERA, EDITED, INVALID, INFO, WATERMARK])))
def test_the_order_of_findings_changes_nothing(findings):
    shuffled = random.Random(0).sample(findings, len(findings))
    assert summarise(findings) == summarise(shuffled) == summarise(strongest_first(findings))
    assert [*map(repr, strongest_first(findings))] == [*map(repr, strongest_first(shuffled))]


def test_strongest_first():
    want = [
        AI_TRUSTED,
        CAMERA_TRUSTED,
        AI_UNLISTED,
        WATERMARK,
        AI,
        INVALID,
        CONTRADICTION,
        EDITED,
        CAMERA,
        INFO,
    ]
    assert strongest_first(reversed(want)) == want
