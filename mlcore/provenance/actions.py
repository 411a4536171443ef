"""What a manifest says of the whole picture, and what of single steps in its making (C2PA 2.x, 18.15).

Only the action that made the picture, or a statement about the picture as a whole, says what it is.
A part that was painted in by AI does not make a photograph generated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlcore.provenance.text import clean

Json = Mapping[str, Any]

CREATED, OPENED = "c2pa.created", "c2pa.opened"
MOST_ACTIONS, MOST_NODES = 200, 20_000
ACTIONS = re.compile(r"c2pa\.actions(?![A-Za-z])")
# Assertions that describe the picture as a whole: schema.org, IPTC, XMP and EXIF.
DESCRIPTIONS = re.compile(r"stds\.|(c2pa|cawg)\.metadata(?![A-Za-z])")


@dataclass(frozen=True)
class Step:
    """One action: its name, the program that did it, and the source types that it names itself."""

    name: str
    agent: str
    source_types: tuple[str, ...]


@dataclass(frozen=True)
class Making:
    """``steps`` in the file's order; the source types of the whole picture, and those of parts and steps.

    ``parts`` are (source type, the program that made it or "").
    """

    steps: tuple[Step, ...]
    whole: tuple[str, ...]
    parts: tuple[tuple[str, str], ...]


def read(raw: Json) -> Making:
    """The making that one manifest of the library's report tells, within the bounds above."""
    assertions = [_object(each) for each in _list(raw.get("assertions"))]
    steps = [
        step for each in assertions if _labelled(each, ACTIONS) for step in _steps(_object(each.get("data")))
    ]
    first = next((step for step in steps if step.name in (CREATED, OPENED)), None)
    created = first.source_types if first is not None and first.name == CREATED else ()
    described = [
        own for each in assertions if _labelled(each, DESCRIPTIONS) for own in _own(each.get("data"))
    ]
    whole = tuple(dict.fromkeys([*created, *described]))
    named = [(each, step.agent) for step in steps if step is not first for each in step.source_types]
    if first is not None and first.name == OPENED:
        named = [*((each, first.agent) for each in first.source_types), *named]
    parts = dict.fromkeys(named)
    known = {*whole, *(each for each, _ in parts)}
    parts.update(((each, ""), None) for each in _everywhere(assertions) if each not in known)
    return Making(tuple(steps), whole, tuple(parts))


def _labelled(assertion: Json, labels: re.Pattern[str]) -> bool:
    return bool(labels.match(str(assertion.get("label") or "")))


def _steps(data: Json) -> Iterator[Step]:
    """The actions of one assertion. A template holds for all actions of its name, "*" for every one."""
    templates = [_object(each) for each in _list(data.get("templates"))[:MOST_ACTIONS]]
    agents = _list(data.get("softwareAgents"))
    for each in map(_object, _list(data.get("actions"))[:MOST_ACTIONS]):
        name = each.get("action")
        merged: dict[str, Any] = {}
        for template in templates:
            if template.get("action") in (name, "*"):
                merged |= template
        merged |= each
        index = merged.get("softwareAgentIndex")
        agent = merged.get("softwareAgent") or (
            agents[index] if isinstance(index, int) and 0 <= index < len(agents) else ""
        )
        types = [*_own(merged), *_own(merged.get("parameters"))]
        yield Step(clean(name or ""), program(agent), tuple(dict.fromkeys(types)))


def program(value: object) -> str:
    """A program's name, which is a text or an object with one."""
    return clean(_object(value).get("name") or "" if isinstance(value, dict) else value or "")


def _own(value: object) -> list[str]:
    """The source types that an object names itself, not deeper within."""
    found = [each for key, each in _object(value).items() if str(key).lower().endswith("digitalsourcetype")]
    return [text for each in found for text in _addresses(each)]


def _addresses(value: object) -> Iterator[str]:
    """A source type is an address, an object with one (JSON-LD), or a list of them."""
    for each in (value if isinstance(value, list) else [value])[:20]:
        address = each.get("@id") or each.get("@value") if isinstance(each, dict) else each
        if isinstance(address, str) and address.strip():
            yield clean(address, 200)


def _everywhere(value: object) -> Iterator[str]:
    """Every source type at any depth, in the file's order, of the first MOST_NODES nodes."""
    todo: list[object] = [value]
    for _ in range(MOST_NODES):
        if not todo:
            return
        node = todo.pop()
        if isinstance(node, dict):
            yield from _own(node)
        within = list(node.values()) if isinstance(node, dict) else _list(node)
        todo += reversed([each for each in within if isinstance(each, dict | list)][:MOST_NODES])


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
