"""The four facts about content credentials (C2PA), each by itself and in words: never one light for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

YES, NO, UNCHECKED = "yes", "no", "unchecked"

LABELS = {
    "content": "The picture is the very one that was sealed",
    "signature": "The seal is unbroken",
    "signer": "Whoever sealed it is on a list of trusted signers",
    "certificate": "Their certificate was valid when they sealed it",
}
# A fact's value, as mlcore.provenance.manifests names it, to what is shown for it.
STATES = {
    "matches": (YES, "Yes"),
    "whole": (YES, "Yes"),
    "listed": (YES, "Yes"),
    "valid": (YES, "Yes"),
    "broken": (NO, "No"),
    "not listed": (NO, "No"),
    "revoked": (NO, "No, it was struck off"),
    "expired": (NO, "No"),
    "not bound": (UNCHECKED, "Cannot be told"),
    "not known": (UNCHECKED, "Cannot be told"),
    "not checked": (UNCHECKED, "Not checked"),
}
IN_PART = (UNCHECKED, "Not checked in all its parts")


def checks(findings: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Four rows of the first C2PA finding that has the facts; [] where the file has no credentials."""
    facts = next((each["facts"] for each in findings if _has_facts(each)), None)
    return [_row(key, facts) for key in LABELS] if facts else []


def _has_facts(finding: Mapping[str, Any]) -> bool:
    return finding["source"] == "c2pa" and set(LABELS) <= set(finding["facts"])


def _row(key: str, facts: Mapping[str, Any]) -> dict[str, str]:
    value = str(facts[key])
    state, words = STATES.get(value, (UNCHECKED, value))
    if value == "matches" and not facts.get("hash_covers_everything", True):
        state, words = IN_PART
    return {"key": key, "label": LABELS[key], "state": state, "words": words}
