"""XMP (ISO 16684-1) as a flat list of properties, from a parser that knows no entities.

A DOCTYPE is refused before anything of it is read, so neither entity bombs nor outside files
have a way in; size, depth and the number of properties are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

MOST_BYTES = 1 << 20
MOST_DEPTH = 64
MOST_PROPERTIES = 2000
MOST_TEXT = 1 << 16  # characters of one property
STRUCTURE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


class Refused(Exception):
    """Not to be read further: what was found so far stays."""


@dataclass
class Xmp:
    """``properties`` are (namespace, name, text) in the file's order; ``refused`` says why it ended."""

    properties: list[tuple[str, str, str]] = field(default_factory=list)
    refused: str = ""

    def first(self, name: str, namespace: str = "") -> str:
        """The first text of a property by its local name; "" where there is none."""
        return next(iter(self.all(name, namespace)), "")

    def all(self, name: str, namespace: str = "") -> list[str]:
        return [
            text
            for space, local, text in self.properties
            if local == name and (not namespace or space.startswith(namespace)) and text
        ]


def read(raw: bytes) -> Xmp:
    """Parse one packet; never raises."""
    found = Xmp()
    if len(raw) > MOST_BYTES:
        found.refused = "too large"
        return found
    start = raw.find(b"<")
    try:
        _parser(found).Parse(raw[max(start, 0) :].rstrip(b"\0 \r\n\t"), True)
    except Refused as refusal:
        found.refused = str(refusal)
    except (expat.ExpatError, LookupError, ValueError):  # an encoding that does not exist
        found.refused = "not well-formed"
    return found


def _parser(found: Xmp) -> expat.XMLParserType:
    parser = expat.ParserCreate(namespace_separator=" ")
    handler = _Handler(found)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = handler.doctype
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    return parser


class _Handler:
    """Text belongs to the innermost element that is not RDF's own (Seq, Bag, Alt, li …)."""

    def __init__(self, found: Xmp) -> None:
        self.found = found
        self.stack: list[tuple[str, str]] = []
        self.parts: list[str] = []
        self.length = 0

    def doctype(self, *_: object) -> None:
        raise Refused("it declares a document type")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._keep()
        if len(self.stack) >= MOST_DEPTH:
            raise Refused("nested too deep")
        self.stack.append(_split(name))
        for key, value in attributes.items():
            space, local = _split(key)
            if local == "resource" and space == STRUCTURE:
                space, local = self._owner()
            self._add(space, local, value)

    def end(self, _: str) -> None:
        self._keep()
        self.stack.pop()

    def text(self, part: str) -> None:
        if self.length < MOST_TEXT:
            self.parts.append(part)
            self.length += len(part)

    def _keep(self) -> None:
        if self.parts and self.stack:
            self._add(*self._owner(), "".join(self.parts))
        self.parts.clear()
        self.length = 0

    def _owner(self) -> tuple[str, str]:
        return next((each for each in reversed(self.stack) if each[0] != STRUCTURE), ("", ""))

    def _add(self, space: str, name: str, text: str) -> None:
        if not text.strip():
            return
        if len(self.found.properties) >= MOST_PROPERTIES:
            raise Refused("too many properties")
        self.found.properties.append((space, name, text.strip()[:MOST_TEXT]))


def _split(name: str) -> tuple[str, str]:
    space, _, local = name.rpartition(" ")
    return space, local
