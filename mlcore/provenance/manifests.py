"""A C2PA report as the library gives it, read into the facts that matter (C2PA 2.x, section 15).

The library's own word for a report ("Valid", "Invalid") mixes what must stay apart: it calls a
picture invalid whose certificate has expired since, though content and signature are whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlcore.provenance.text import clean

Json = Mapping[str, Any]
Content = Literal["matches", "broken", "not bound"]
Signature = Literal["whole", "broken", "not checked"]
Signer = Literal["listed", "not listed", "revoked", "not known", "not checked"]
Certificate = Literal["valid", "expired", "not known"]

SIGNERS = "cifake-signers"  # our name for the list of signers, which the library puts into its answer
TRUSTED, UNTRUSTED = "signingCredential.trusted", "signingCredential.untrusted"

MOST_MANIFESTS, MOST_ACTIONS, MOST_NODES = 64, 200, 20_000

HARD_BINDING = r"assertion\.(dataHash|bmffHash|boxesHash|collectionHash|multiAssetHash)\."
MATCH = re.compile(HARD_BINDING + "match")
ANOTHER = re.compile(  # the content, or a statement that the signature covers, is another
    HARD_BINDING + r"(mismatch|unknownBox)|assertion\.(hashedURI\.mismatch|missing|undeclared)"
)
LEFT_OUT = re.compile(HARD_BINDING + "additionalExclusionsPresent")  # the hash leaves parts of the file out
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
    source_types: tuple[str, ...]
    standing: Standing

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


def chain(report: Json, *, lists: bool) -> Chain | None:
    """The chain of a report, None where it names no manifest. ``lists``: trust lists were at hand."""
    manifests = _object(report.get("manifests"))
    label = str(report.get("active_manifest") or "")
    if label not in manifests:
        return None
    active = _manifest(label, "", _object(manifests[label]), _codes(report, ""), lists)
    earlier = tuple(_earlier(report, manifests, label, lists))
    failures = sorted({code for status, code in _codes(report, "") if status == "failure"})
    return Chain(active, earlier, tuple(_ingredients(_object(manifests[label]))), tuple(failures[:20]))


def _earlier(report: Json, manifests: Json, first: str, lists: bool) -> Iterator[Manifest]:
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
            yield _manifest(next_label, relation, _object(manifests[next_label]), codes, lists)
            queue.append((next_label, relation))


def _manifest(label: str, relation: str, raw: Json, codes: set[tuple[str, str]], lists: bool) -> Manifest:
    info = _object(raw.get("signature_info"))
    actions = list(_actions(raw))
    return Manifest(
        label=clean(label),
        relation=clean(relation),
        generator=_generator(raw),
        signer=clean(info.get("issuer") or info.get("common_name") or ""),
        signed_at=clean(info.get("time") or ""),
        actions=tuple(dict.fromkeys(clean(each.get("action") or "") for each in actions)),
        agents=tuple(dict.fromkeys(filter(None, (_name(each.get("softwareAgent")) for each in actions)))),
        source_types=tuple(dict.fromkeys(_source_types(raw))),
        standing=_standing(codes, lists),
    )


def _standing(codes: set[tuple[str, str]], lists: bool) -> Standing:
    failures = {code for status, code in codes if status == "failure"}
    successes = {code for status, code in codes if status == "success"}
    every = {code for _, code in codes}
    return Standing(
        content=_content(successes, failures),
        signature="broken"
        if failures & SPOILT
        else "whole"
        if "claimSignature.validated" in successes
        else "not checked",
        signer=_signer(successes, failures, every, lists),
        certificate="expired"
        if failures & EXPIRED
        else "valid"
        if "claimSignature.insideValidity" in successes
        else "not known",
        everything=not any(LEFT_OUT.fullmatch(code) for code in every),
    )


def _content(successes: set[str], failures: set[str]) -> Content:
    if any(ANOTHER.fullmatch(code) for code in failures):
        return "broken"
    return "matches" if any(MATCH.fullmatch(code) for code in successes) else "not bound"


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
    return set(_statuses(_object(results.get("activeManifest")), label, ours=False))


def _statuses(results: Json, label: str, *, ours: bool = True) -> Iterator[tuple[str, str]]:
    """(status, code) of what is about ``label``.

    To the library a time-stamp authority is as good as a signer (0.91: the kind of a list is not
    looked at), so a signer counts only where the list that holds it is that of the signers.
    """
    for status in ("success", "informational", "failure"):
        for each in map(_object, _list(results.get(status))):
            if label in str(each.get("url") or ""):
                code = str(each.get("code") or "")
                if ours and code == TRUSTED and f"[{SIGNERS}]" not in str(each.get("explanation") or ""):
                    yield "failure", UNTRUSTED
                else:
                    yield status, code


def _ingredients(raw: Json) -> Iterator[tuple[str, str]]:
    for each in _list(raw.get("ingredients"))[:20]:
        ingredient = _object(each)
        yield clean(ingredient.get("title") or ""), clean(ingredient.get("relationship") or "")


def _actions(raw: Json) -> Iterator[Json]:
    for assertion in _list(raw.get("assertions")):
        if str(_object(assertion).get("label") or "").startswith("c2pa.actions"):
            data = _object(_object(assertion).get("data"))
            yield from (_object(each) for each in _list(data.get("actions"))[:MOST_ACTIONS])


def _source_types(raw: Json) -> Iterator[str]:
    """Every digitalSourceType in any assertion: actions have it, IPTC and CreativeWork may."""
    todo: list[object] = [raw.get("assertions")]
    for _ in range(MOST_NODES):
        if not todo:
            return
        node = todo.pop()
        if isinstance(node, list):
            todo += reversed(node)
        elif isinstance(node, dict):
            for key, value in node.items():
                if str(key).lower().endswith("digitalsourcetype") and isinstance(value, str):
                    yield clean(value, 200)
            todo += node.values()


def _generator(raw: Json) -> str:
    for each in _list(raw.get("claim_generator_info")):
        if name := _name(each):
            return name
    return clean(raw.get("claim_generator") or "")


def _name(value: object) -> str:
    """A program's name, which is a text or an object with one."""
    return clean(_object(value).get("name") or "" if isinstance(value, dict) else value or "")


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
