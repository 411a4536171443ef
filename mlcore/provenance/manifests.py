"""A C2PA report as the library gives it, read into the facts that matter (C2PA 2.x, section 15).

The library's own word for a report ("Valid", "Invalid") mixes what must stay apart: it calls a
picture invalid whose certificate has expired since, though content and signature are whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlcore.provenance import actions
from mlcore.provenance.text import clean

Json = Mapping[str, Any]
Content = Literal["matches", "broken", "not bound", "not checked"]
Signature = Literal["whole", "broken", "not checked"]
Signer = Literal["listed", "not listed", "revoked", "not known", "not checked"]
Certificate = Literal["valid", "expired", "not known"]

STATUSES = ("success", "informational", "failure")
SIGNERS = "cifake-signers"  # our name for the list of signers, which the library puts into its answer
TRUSTED, UNTRUSTED = "signingCredential.trusted", "signingCredential.untrusted"

MOST_MANIFESTS = 64

HARD_BINDING = r"assertion\.(dataHash|bmffHash|boxesHash|collectionHash|multiAssetHash)\."
MATCH = re.compile(HARD_BINDING + "match")
MALFORMED = re.compile(HARD_BINDING + "malformed")
ANOTHER = re.compile(  # the content, or a statement that the signature covers, is another
    HARD_BINDING + r"(mismatch|unknownBox)|assertion\.(hashedURI\.mismatch|missing|undeclared)"
)
LEFT_OUT = re.compile(HARD_BINDING + "additionalExclusionsPresent")  # the hash leaves parts of the file out
# The library also says "mismatch" of a hash that it did not compute, and of one that matches but leaves
# out more than the manifest. Only its words tell these from a picture that was changed.
IN_WORDS = re.compile(r"assertion\.(dataHash|boxesHash)\.mismatch")
COMPARED, NOT_COMPARED = "do not match", "cifake.notCompared"
# A signature of a kind that the library cannot read is called a mismatch too.
UNREADABLE = {"algorithm.unsupported", "signingCredential.invalid"}
SPOILT = {"claimSignature.mismatch", "claimSignature.missing", "ingredient.manifest.mismatch"}
EXPIRED = {"signingCredential.expired", "claimSignature.outsideValidity"}
REVOKED = {"signingCredential.ocsp.revoked", "signingCredential.revoked"}

# Actions that leave the picture as it is (C2PA 2.x, table of actions).
KEEPING = {"c2pa.created", "c2pa.opened", "c2pa.published", "c2pa.repackaged", "c2pa.converted"}


@dataclass(frozen=True)
class Standing:
    """Four facts about one manifest, which are never melted into one."""

    content: Content
    signature: Signature
    signer: Signer
    certificate: Certificate
    everything: bool  # the hash leaves out nothing but the manifest itself

    @property
    def whole(self) -> bool:
        return self.content == "matches" and self.signature == "whole"

    @property
    def broken(self) -> bool:
        return self.content == "broken" or self.signature == "broken"

    @property
    def trusted(self) -> bool:
        return (
            self.whole and self.everything and (self.signer, self.certificate) == ("listed", "valid")
        )  # fmt: skip


@dataclass(frozen=True)
class Manifest:
    """One link of the chain. ``relation`` is how the picture came from it: "", parentOf, componentOf, …"""

    label: str
    relation: str
    generator: str
    signer: str
    signed_at: str
    actions: tuple[str, ...]
    agents: tuple[str, ...]
    whole: tuple[str, ...]  # source types of the picture
    parts: tuple[tuple[str, str], ...]  # (source type, program) of a part of it or a step
    standing: Standing

    @property
    def source_types(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.whole, *(each for each, _ in self.parts)]))

    @property
    def edits(self) -> tuple[str, ...]:
        return tuple(action for action in self.actions if action not in KEEPING)


@dataclass(frozen=True)
class Chain:
    """The picture's own manifest and all that it came from, nearest first."""

    active: Manifest
    earlier: tuple[Manifest, ...]
    ingredients: tuple[tuple[str, str], ...]  # (title, relation) of the active one's
    failures: tuple[str, ...] = field(default=())  # the library's codes, for experts

    @property
    def line(self) -> tuple[Manifest, ...]:
        """The manifests of this very picture: its own, and those of what it was before."""
        return (self.active, *(each for each in self.earlier if each.relation == "parentOf"))


def chain(report: Json, *, lists: bool, covered: Mapping[str, bool] | None = None) -> Chain | None:
    """The chain of a report, None where it names no manifest.

    Args:
        lists: trust lists were at hand.
        covered: whether a manifest's hash covers its picture, by label (:mod:`.coverage`); of one that is
            missing here the library's codes tell.
    """
    manifests, covered = _object(report.get("manifests")), covered or {}
    label = str(report.get("active_manifest") or "")
    if label not in manifests:
        return None
    own = {covered[each] for each in bound(report) if each in covered}
    active = _manifest(
        label, "", _object(manifests[label]), _standing(_codes(report, ""), lists, all(own) if own else None)
    )
    earlier = tuple(_earlier(report, manifests, label, lists, covered))
    failures = sorted({code for status, code in _codes(report, "") if status == "failure"})
    return Chain(active, earlier, tuple(_ingredients(_object(manifests[label]))), tuple(failures[:20]))


def bound(report: Json) -> set[str]:
    """Labels of the manifests whose hash ties the active one to the file: its own, or one that it updates."""
    results = _object(_object(report.get("validation_results")).get("activeManifest"))
    entries = [_object(each) for status in STATUSES for each in _list(results.get(status))]
    urls = [str(each.get("url")) for each in entries if re.match(HARD_BINDING, str(each.get("code")))]
    return {url.partition("/c2pa/")[2].split("/")[0] for url in urls}


def _earlier(
    report: Json, manifests: Json, first: str, lists: bool, covered: Mapping[str, bool]
) -> Iterator[Manifest]:
    """Breadth first. The line is left for good where a component is entered, and each label is seen once."""
    queue, seen = [(first, "parentOf")], {first}
    while queue and len(seen) <= MOST_MANIFESTS:
        label, line = queue.pop(0)
        for ingredient in _list(_object(manifests[label]).get("ingredients")):
            next_label = str(_object(ingredient).get("active_manifest") or "")
            if next_label in seen or next_label not in manifests:
                continue
            seen.add(next_label)
            relation = str(_object(ingredient).get("relationship") or "")
            relation = relation if line == "parentOf" else line
            codes = _codes(report, next_label) | _recorded(ingredient, next_label)
            standing = _standing(codes, lists, covered.get(next_label))
            yield _manifest(next_label, relation, _object(manifests[next_label]), standing)
            queue.append((next_label, relation))


def _manifest(label: str, relation: str, raw: Json, standing: Standing) -> Manifest:
    info = _object(raw.get("signature_info"))
    making = actions.read(raw)
    return Manifest(
        label=clean(label),
        relation=clean(relation),
        generator=_generator(raw),
        signer=clean(info.get("issuer") or info.get("common_name") or ""),
        signed_at=clean(info.get("time") or ""),
        actions=tuple(dict.fromkeys(step.name for step in making.steps)),
        agents=tuple(dict.fromkeys(step.agent for step in making.steps if step.agent)),
        whole=making.whole,
        parts=making.parts,
        standing=standing,
    )


def _standing(codes: set[tuple[str, str]], lists: bool, covered: bool | None) -> Standing:
    failures = {code for status, code in codes if status == "failure"}
    successes = {code for status, code in codes if status == "success"}
    every = {code for _, code in codes}
    if covered is None:
        covered = not any(LEFT_OUT.fullmatch(code) for code in every)
    return Standing(
        content=_content(successes, failures),
        signature=_signature(successes, failures),
        signer=_signer(successes, failures, every, lists),
        certificate="expired"
        if failures & EXPIRED
        else "valid"
        if "claimSignature.insideValidity" in successes
        else "not known",
        everything=covered and NOT_COMPARED not in every,
    )


def _content(successes: set[str], failures: set[str]) -> Content:
    if any(ANOTHER.fullmatch(code) for code in failures):
        return "broken"
    if any(MATCH.fullmatch(code) for code in successes):
        return "matches"
    unknown = NOT_COMPARED in failures or any(MALFORMED.fullmatch(code) for code in failures)
    return "not checked" if unknown else "not bound"


def _signature(successes: set[str], failures: set[str]) -> Signature:
    if failures & SPOILT and not failures & UNREADABLE:
        return "broken"
    return "whole" if "claimSignature.validated" in successes and not failures & SPOILT else "not checked"


def _signer(successes: set[str], failures: set[str], every: set[str], lists: bool) -> Signer:
    if every & REVOKED:
        return "revoked"
    if not lists:
        return "not checked"
    if TRUSTED in successes and UNTRUSTED not in failures:
        return "listed"
    # The library looks an expired certificate up as of today, and finds no list that holds it.
    return "not known" if failures & EXPIRED else "not listed"


def _codes(report: Json, label: str) -> set[tuple[str, str]]:
    """(status, code) of the active manifest for label "", else all that is said of an earlier one."""
    results = _object(report.get("validation_results"))
    if not label:
        return set(_statuses(_object(results.get("activeManifest")), ""))
    return {
        each
        for delta in _list(results.get("ingredientDeltas"))
        for each in _statuses(_object(_object(delta).get("validationDeltas")), label)
    }


def _recorded(ingredient: object, label: str) -> set[tuple[str, str]]:
    """What the one who used an ingredient found then; the library repeats only what has changed since."""
    results = _object(_object(ingredient).get("validation_results"))
    codes = set(_statuses(_object(results.get("activeManifest")), label, ours=False))
    # No hash both matches and does not: then it left out another range. Words may be missing here.
    both = {code for status, code in codes if ("success", code.replace("mismatch", "match")) in codes}
    spoilt = {each for each in codes if each[0] == "failure" and each[1] in both}
    return codes - spoilt | ({("failure", NOT_COMPARED)} if spoilt else set())


def _statuses(results: Json, label: str, *, ours: bool = True) -> Iterator[tuple[str, str]]:
    """(status, code) of what is about ``label``.

    To the library a time-stamp authority is as good as a signer (0.91: the kind of a list is not
    looked at), so a signer counts only where the list that holds it is that of the signers.
    """
    for status in STATUSES:
        for each in map(_object, _list(results.get(status))):
            if label in str(each.get("url") or ""):
                code, words = str(each.get("code") or ""), str(each.get("explanation") or "")
                if ours and code == TRUSTED and f"[{SIGNERS}]" not in words:
                    yield "failure", UNTRUSTED
                elif ours and IN_WORDS.fullmatch(code) and COMPARED not in words:
                    yield "failure", NOT_COMPARED
                else:
                    yield status, code


def _ingredients(raw: Json) -> Iterator[tuple[str, str]]:
    for each in _list(raw.get("ingredients"))[:20]:
        ingredient = _object(each)
        yield clean(ingredient.get("title") or ""), clean(ingredient.get("relationship") or "")


def _generator(raw: Json) -> str:
    for each in _list(raw.get("claim_generator_info")):
        if name := actions.program(each):
            return name
    return clean(raw.get("claim_generator") or "")


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
