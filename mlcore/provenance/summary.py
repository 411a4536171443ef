"""What all findings of one file come to: one word for programs, one sentence for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from mlcore.contracts import Finding, ProvenanceSummary, Says, Source

SENTENCES = {
    ProvenanceSummary.DECLARED_AI_SIGNED: (
        "The file carries a signature by a trusted signer which says that it was made with AI."
    ),
    ProvenanceSummary.DECLARED_AI: (
        "The file itself says that it was made with AI. Such a mark can be written or removed by anybody."
    ),
    ProvenanceSummary.CAMERA_SIGNED: (
        "A trusted signer vouches that a camera took this picture and that it was not changed since."
    ),
    ProvenanceSummary.CAMERA_CLAIMED: (
        "The file says that a camera took it. Anybody can write that, so it decides nothing."
    ),
    ProvenanceSummary.EDITED: "The file says that the picture was edited or put together from others.",
    ProvenanceSummary.INVALID: (
        "The file was changed after it was signed, so what its signature says no longer counts."
    ),
    ProvenanceSummary.NONE: (
        "Nothing in the file says where it comes from. That proves nothing: most pictures carry no such "
        "marks, and they are easily removed."
    ),
}

Test = Callable[[Finding], bool]

# The first that holds for any finding is the summary. A trusted signature comes before what anybody
# can write; a mark that is independent of a broken signature still stands beside it.
ORDER: tuple[tuple[ProvenanceSummary, Test], ...] = (
    (ProvenanceSummary.DECLARED_AI_SIGNED, lambda found: found.says == Says.AI and found.trusted),
    (ProvenanceSummary.CAMERA_SIGNED, lambda found: found.says == Says.CAMERA and found.trusted),
    (ProvenanceSummary.DECLARED_AI, lambda found: found.says == Says.AI),
    (ProvenanceSummary.INVALID, lambda found: found.says == Says.INVALID),
    (ProvenanceSummary.EDITED, lambda found: found.says == Says.EDITED),
    (ProvenanceSummary.CAMERA_CLAIMED, lambda found: found.says == Says.CAMERA),
)

SAYS = (Says.AI, Says.INVALID, Says.CONTRADICTION, Says.EDITED, Says.CAMERA, Says.INFO)
SOURCES = (Source.C2PA, Source.WATERMARK, Source.GENERATOR, Source.METADATA, Source.ENCODING)


def summarise(findings: Sequence[Finding]) -> tuple[ProvenanceSummary, str]:
    """The summary of a file's findings, in any order, and its sentence."""
    for summary, holds in ORDER:
        if any(holds(found) for found in findings):
            return summary, SENTENCES[summary]
    return ProvenanceSummary.NONE, SENTENCES[ProvenanceSummary.NONE]


def strongest_first(findings: Iterable[Finding]) -> list[Finding]:
    """What a trusted signature says; then by what a finding says and how hard it is to write."""
    return sorted(findings, key=_rank)


def _rank(found: Finding) -> tuple[bool, int, bool, int]:
    tells = found.says in (Says.AI, Says.CAMERA)
    return (
        not (found.trusted and tells),
        SAYS.index(found.says),
        not found.signed,
        SOURCES.index(found.source),
    )
