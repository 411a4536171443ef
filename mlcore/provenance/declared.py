"""What a chain of C2PA manifests declares about a picture, what that is worth, and both in words."""

from __future__ import annotations

from typing import Any

from mlcore.contracts import Finding, Says, Source
from mlcore.provenance.manifests import Chain, Manifest
from mlcore.provenance.vocabulary import source_type

CAPTURES = {"digitalCapture", "computationalCapture", "multiFrameComputationalCapture"}

HEARSAY = "That was said by an earlier signer, who is not known to be trusted."
INVALID, NO_PROOF = "Content credentials that do not hold", "Content credentials without proof"
PARTS = "It says that the picture was put together from parts, some of them made by generative AI{by}."
CONTENT = {
    "matches": "The picture is as it was when it was signed.",
    "broken": (
        "The picture or its description was changed after it was signed, so what it says does not count."
    ),
    "not checked": "Whether the picture is as it was when it was signed cannot be checked.",
    "not bound": "The statement is not tied to this picture, so it may belong to another.",
}
LEFT_OUT = "The signature leaves parts of the file out, which may have been changed since."
SIGNATURE = {
    "whole": "The signature is complete.",
    "broken": "The signature is broken, so what it says does not count.",
    "not checked": "The signature could not be checked.",
}
SIGNER = {
    "listed": "The signer is on the list of trusted signers.",
    "not listed": "The signer is not on the list of trusted signers, so anybody may have signed it.",
    "revoked": "The signer's certificate was withdrawn, so anybody may have signed it.",
    "not known": "Whether the signer was on the list of trusted signers then can no longer be told.",
    "not checked": "Whether the signer is to be trusted was not checked: there is no list of signers here.",
}
CERTIFICATE = {
    "valid": "The certificate was valid when it signed.",
    "expired": "The certificate has expired, and nothing proves that it was valid when it signed.",
    "not known": "Whether the certificate was valid when it signed is not known.",
}


def finding(chain: Chain) -> Finding:
    """One finding for the whole chain; its ``facts`` keep the four facts of the standing apart."""
    active = chain.active
    says, sentence, trusted = _declared(chain)
    if active.standing.broken:
        says, trusted = Says.INVALID, False
    return Finding(
        source=Source.C2PA,
        says=says,
        title=_title(active, says),
        detail=" ".join([*([] if says == Says.INVALID else [sentence]), *_worth(active)]),
        signed=active.standing.whole,
        trusted=trusted,
        facts=_facts(chain),
    )


def unverifiable(error: str) -> Finding:
    """The finding for a signature that is so damaged, or of such a kind, that nothing else can be read."""
    if "support" in error:
        return Finding(
            source=Source.C2PA,
            says=Says.INFO,
            title=NO_PROOF,
            detail=SIGNATURE["not checked"],
            facts={"signature": "not checked", "error": error},
        )
    return Finding(
        source=Source.C2PA,
        says=Says.INVALID,
        title=INVALID,
        detail=SIGNATURE["broken"],
        facts={"signature": "broken", "error": error},
    )


def _title(active: Manifest, says: Says) -> str:
    if says == Says.INVALID:
        return INVALID
    name = active.signer or "nobody named"
    if active.standing.trusted:
        return f"Signed by {name}"
    return f"Signed in the name of {name}" if active.standing.whole else NO_PROOF


def _worth(active: Manifest) -> list[str]:
    """The four facts in words; of what is broken, only that."""
    standing = active.standing
    if standing.content == "broken":
        return [CONTENT["broken"]]
    if standing.signature == "broken":
        return [SIGNATURE["broken"]]
    return [
        LEFT_OUT if standing.content == "matches" and not standing.everything else CONTENT[standing.content],
        SIGNATURE[standing.signature],
        SIGNER[standing.signer],
        CERTIFICATE[standing.certificate],
    ]


def _declared(chain: Chain) -> tuple[Says, str, bool]:
    """What the chain says of the picture, in words, and whether who says so is trusted.

    Something trusted must be said by a trusted signer: whoever opens a picture vouches for having
    opened it, and not for what it said of itself.
    """
    active = chain.active
    for manifest in chain.line:
        if _generated(manifest) and not manifest.standing.broken:
            trusted = active.standing.trusted and manifest.standing.trusted
            sentence = f"It says that the picture was made by generative AI{_by(manifest)}."
            hearsay = active.standing.trusted and not trusted
            return Says.AI, f"{sentence} {HEARSAY}" if hearsay else sentence, trusted
    if edited := _edited(chain):
        return Says.EDITED, edited, active.standing.trusted
    if _captures(active):
        return Says.CAMERA, f"It says that a camera took the picture{_by(active)}.", active.standing.trusted
    return Says.INFO, "It says nothing of how the picture was made.", active.standing.trusted


def _edited(chain: Chain) -> str:
    line = [each for each in chain.line if not each.standing.broken]
    sentence = next(filter(None, map(_with_ai, line)), "") or next(filter(None, map(_put_together, line)), "")
    components = [each for each in chain.earlier if each.relation == "componentOf"]
    if any(_generated(each) for each in components):
        return PARTS.format(by=_by(chain.active))
    if sentence:
        return sentence
    if chain.ingredients or any(each.edits for each in chain.line):
        return f"It says that the picture was edited or made from others{_by(chain.active)}."
    return ""


def _generated(manifest: Manifest) -> bool:
    """Whether the whole picture is said to be made by AI, and not also to be taken by a camera."""
    said = {_known(each)[0] for each in manifest.whole}
    return Says.AI in said and Says.CAMERA not in said


def _with_ai(manifest: Manifest) -> str:
    """A step that was made by AI, or a picture that is said to be both a camera's and AI's."""
    said = [*((each, "") for each in manifest.whole), *manifest.parts]
    agent = next((agent for each, agent in said if _known(each)[0] == Says.AI), None)
    if agent is None:
        return ""
    by = f", with {agent}" if agent else _by(manifest)
    return f"It says that the picture was edited with generative AI{by}."


def _put_together(manifest: Manifest) -> str:
    words = (words for says, words in map(_known, manifest.source_types) if says == Says.EDITED)
    return next((f"It says that the picture was {each}{_by(manifest)}." for each in words), "")


def _captures(manifest: Manifest) -> bool:
    terms = [known[0] for each in manifest.source_types if (known := source_type(each))]
    return bool(terms) and set(terms) <= CAPTURES


def _known(address: str) -> tuple[Says, str]:
    known = source_type(address)
    return known[1:] if known else (Says.INFO, "")


def _by(manifest: Manifest) -> str:
    name = next(iter(manifest.agents), "") or manifest.generator
    return f", with {name}" if name else ""


def _facts(chain: Chain) -> dict[str, Any]:
    active, standing = chain.active, chain.active.standing
    return {
        "content": standing.content,
        "signature": standing.signature,
        "signer": standing.signer,
        "certificate": standing.certificate,
        "hash_covers_everything": standing.everything,
        "signer_name": active.signer,
        "signed_at": active.signed_at,
        "generator": active.generator,
        "actions": list(active.actions)[:20],
        "programs": list(active.agents)[:10],
        "source_types": list(active.source_types)[:10],
        "ingredients": [{"title": title, "relation": relation} for title, relation in chain.ingredients],
        "earlier": [_link(each) for each in chain.earlier[:10]],
        "failures": list(chain.failures),
    }


def _link(manifest: Manifest) -> dict[str, Any]:
    return {
        "relation": manifest.relation,
        "generator": manifest.generator,
        "signer_name": manifest.signer,
        "signer": manifest.standing.signer,
        "actions": list(manifest.actions)[:10],
        "source_types": list(manifest.source_types)[:5],
        "whole": not manifest.standing.broken,
    }
