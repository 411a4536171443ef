"""What a file says is written by anybody: made short, plain and JSON before it goes any further."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from mlcore.contracts import Finding
from mlcore.provenance.text import clean

MOST_FINDINGS = 40
TITLE, DETAIL, TEXT = 120, 700, 300  # characters
MOST_ITEMS, DEPTH = 40, 5  # of one list or object, and how deep they nest
FACTS_BYTES = 16_384  # of one finding's facts as JSON
MANY_DIGITS = 2**53  # JavaScript, which reads the facts, counts no further


def facts(values: dict[str, Any]) -> dict[str, Any]:
    """``values`` as JSON that a page, a row and a person can take: short, shallow, finite."""
    made = _value(values, DEPTH)
    if not isinstance(made, dict) or len(json.dumps(made)) > FACTS_BYTES:
        return {"shortened": True}
    return made


def finding(found: Finding) -> Finding:
    """The same finding within the bounds."""
    return replace(
        found, title=clean(found.title, TITLE), detail=clean(found.detail, DETAIL), facts=facts(found.facts)
    )


def _value(value: object, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= MANY_DIGITS else "a very large number"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        items = list(value.items())[:MOST_ITEMS] if depth else []
        return {clean(key): _value(each, depth - 1) for key, each in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(each, depth - 1) for each in list(value)[:MOST_ITEMS]] if depth else []
    return clean(value, TEXT)
