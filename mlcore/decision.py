"""From all that was found about a picture to the one answer that people read.

One pure function, tested case by case; ``docs/decision-table.md`` is the same in a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlcore.contracts import Basis, Gate, Provenance, ProvenanceSummary, Stability, Verdict
from mlcore.provenance.summary import SENTENCES

STABLE_SHARE = 0.8  # of the variants must agree with the picture itself

SIGNED_AI = "The file carries a complete, trusted signature that says it was made by AI."
SIGNED_CAMERA = "The file carries a complete, trusted signature that says a camera took it."
DECLARED_AI = SENTENCES[ProvenanceSummary.DECLARED_AI]
OUTSIDE = "This picture is not of the kind that the model knows, so the model gives no answer."
UNDECIDED = "The model leans to neither side far enough for an answer that may be relied on."
UNSTABLE = (
    "The model’s answer changes when the picture is saved again, resized or cropped, so it is not reliable."
)
PIXELS_FAKE = "The model found patterns in the pixels that AI-generated pictures have."
PIXELS_REAL = "The model found patterns in the pixels that photos have."
NO_MODEL = "The model has not examined this picture."


@dataclass(frozen=True)
class Decision:
    """``key`` names the case of the table, ``reason`` is its sentence for people.

    ``confidence`` is the calibrated probability of the announced class; None where the answer rests
    on something else, and where none is announced.
    """

    verdict: Verdict
    basis: Basis
    confidence: float | None
    reason: str
    key: str


_BY_PROVENANCE = {
    ProvenanceSummary.DECLARED_AI_SIGNED: Decision(Verdict.FAKE, Basis.SIGNED, None, SIGNED_AI, "signed_ai"),
    ProvenanceSummary.CAMERA_SIGNED: Decision(
        Verdict.REAL, Basis.SIGNED, None, SIGNED_CAMERA, "signed_camera"
    ),
    ProvenanceSummary.DECLARED_AI: Decision(Verdict.FAKE, Basis.DECLARED, None, DECLARED_AI, "declared_ai"),
}  # all others decide nothing: a camera that is only claimed, edits, a broken signature, nothing


def decide(
    p_fake: float | None,
    thresholds: Mapping[str, float],
    gate: Gate,
    provenance: Provenance | None = None,
    stability: Stability | None = None,
) -> Decision:
    """The answer, by the first case of the table that fits.

    ``p_fake`` is None where the model has given none. ``thresholds`` are those of the operating
    point: fake from ``fake`` up, real below ``real``. Parts that have not been examined are None.
    """
    if provenance is not None and provenance.summary in _BY_PROVENANCE:
        return _by_provenance(provenance)
    if p_fake is None:
        return _unsure(NO_MODEL, "no_model")
    if not gate.in_domain:
        return _unsure(gate.reason or OUTSIDE, "out_of_domain")
    return _by_pixels(p_fake, thresholds, stability)


def _by_provenance(provenance: Provenance) -> Decision:
    """What a declaration is worth hangs on whose it is, which its own sentence says."""
    decision = _BY_PROVENANCE[provenance.summary]
    if decision.basis == Basis.DECLARED and provenance.sentence:
        return replace(decision, reason=provenance.sentence)
    return decision


def _by_pixels(p_fake: float, thresholds: Mapping[str, float], stability: Stability | None) -> Decision:
    if thresholds["real"] <= p_fake < thresholds["fake"]:
        return Decision(Verdict.UNCERTAIN, Basis.PIXELS, None, UNDECIDED, "undecided")
    if stability is not None and not stability.stable:
        return Decision(Verdict.UNCERTAIN, Basis.PIXELS, None, UNSTABLE, "unstable")
    if p_fake >= thresholds["fake"]:
        return Decision(Verdict.FAKE, Basis.PIXELS, p_fake, PIXELS_FAKE, "pixels_fake")
    return Decision(Verdict.REAL, Basis.PIXELS, 1.0 - p_fake, PIXELS_REAL, "pixels_real")


def _unsure(reason: str, key: str) -> Decision:
    return Decision(Verdict.UNCERTAIN, Basis.NONE, None, reason, key)
