"""What all findings of one file come to: one word for programs, one sentence for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mlcore.contracts import Finding, ProvenanceSummary, Says, Source

SENTENCES = {
    ProvenanceSummary.DECLARED_AI_SIGNED: (
        "The file carries a signature by a trusted signer which says that it was made by AI."
    ),
    ProvenanceSummary.DECLARED_AI: (  # by a note; see _claim for the others
        "The file itself says that it was made by AI. Anyone can write or remove such a note, so this is "
        "the file’s own claim."
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

WATERMARK = (
    "A mark hidden in the pixels says that the picture was made by AI. Anyone can put such a mark into a "
    "picture, and saving it again removes it, so this is only what the mark claims."
)
SIGNED = "The file carries a complete signature which says that it was made by AI. {changed} {who}"
UNCHANGED = "It has not been changed since it was signed."
PARTS = "The signature leaves parts of the file out, which may have been changed since."
NOT_VOUCHED = "so nobody vouches for who signed it"
WHO = {
    "not listed": f"The signer is not on the list of trusted signers, {NOT_VOUCHED}.",
    "revoked": f"The signer’s certificate was withdrawn, {NOT_VOUCHED}.",
    "not known": f"The signer’s certificate has expired, {NOT_VOUCHED}.",
    "not checked": f"There is no list of trusted signers here, {NOT_VOUCHED}.",
    "listed": "The last signer is on the list of trusted signers; the one who said this is not known to be.",
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


def summarise(findings: Iterable[Finding]) -> tuple[ProvenanceSummary, str]:
    """The summary of a file's findings, in any order, and its sentence."""
    ordered = strongest_first(findings)
    for summary, holds in ORDER:
        if found := next(filter(holds, ordered), None):
            return summary, _claim(found) if summary == ProvenanceSummary.DECLARED_AI else SENTENCES[summary]
    return ProvenanceSummary.NONE, SENTENCES[ProvenanceSummary.NONE]


def _claim(found: Finding) -> str:
    """Whose word it is that a picture was made by AI, and what that is worth: no two origins are alike."""
    if found.signed:
        return _signed(str(found.facts.get("signer")), found.facts.get("hash_covers_everything", True))
    return WATERMARK if found.source == Source.WATERMARK else SENTENCES[ProvenanceSummary.DECLARED_AI]


def _signed(signer: str, everything: bool) -> str:
    if not everything:
        return SIGNED.format(changed=PARTS, who="" if signer == "listed" else WHO.get(signer, "")).strip()
    return SIGNED.format(changed=UNCHANGED, who=WHO.get(signer, WHO["not listed"]))


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
