"""XMP (ISO 16684-1) as a flat list of properties, from a parser that knows no entities.

A DOCTYPE is refused before anything of it is read, so neither entity bombs nor outside files
have a way in; size, depth and the number of properties are bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

MOST_BYTES = 1 << 20
MOST_DEPTH = 64
MOST_PROPERTIES = 2000
MOST_TEXT = 1 << 16  # characters of one property
DECLARATION = re.compile(r"\s*<\?xml\b[^>]{0,200}\?>")  # names an encoding that is no longer the text's
UNICODE = (  # the longer marks first: those of UTF-32 begin like UTF-16's
    (b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"),
    (b"<\0\0\0", "utf-32-le"), (b"\0\0\0<", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"),
)  # fmt: skip
WIDTHS = {"utf-32-le": 4, "utf-32-be": 4, "utf-16-le": 2, "utf-16-be": 2}  # bytes of a character
WRAPPER = "adobe:ns:meta/"
STRUCTURE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"


class Refused(Exception):
    """Not to be read further: what was found so far stays."""


@dataclass
class Xmp:
    """``properties`` are (namespace, name, text) in the file's order; ``refused`` says why it ended.

    ``parts`` are the places of those that describe a part of the picture, a version of it or what it
    was made from: they lie within another property (a region, an ingredient, an entry of the history).
    """

    properties: list[tuple[str, str, str]] = field(default_factory=list)
    refused: str = ""
    parts: set[int] = field(default_factory=set)

    def first(self, name: str, namespace: str = "") -> str:
        """The first text of a property by its local name; "" where there is none."""
        return next(iter(self.all(name, namespace)), "")

    def all(self, name: str, namespace: str = "") -> list[str]:
        return [
            text
            for space, local, text in self.properties
            if local == name and (not namespace or space.startswith(namespace)) and text
        ]

    def whole(self, name: str) -> list[str]:
        """The texts of a property of the picture itself, by its local name in any case."""
        return [
            text
            for place, (_, local, text) in enumerate(self.properties)
            if local.lower() == name.lower() and place not in self.parts and text
        ]


def read(raw: bytes) -> Xmp:
    """Parse one packet; never raises."""
    found = Xmp()
    if len(raw) > MOST_BYTES:
        found.refused = "too large"
        return found
    try:
        _parser(found).Parse(_utf8(raw), True)
    except Refused as refusal:
        found.refused = str(refusal)
    except (expat.ExpatError, LookupError, ValueError):  # an encoding that does not exist
        found.refused = "not well-formed"
    return found


def _utf8(raw: bytes) -> bytes:
    """The packet alone, in UTF-8: packets may be in any Unicode encoding (ISO 16684-1, 7.3.2), told by their
    first "<", and the bytes before it and behind the last ">" are padding."""
    coding = next((coding for mark, coding in UNICODE if raw.lstrip(b" \r\n\t").startswith(mark)), "")
    if coding:
        raw = raw.lstrip(b" \r\n\t")
        text = raw[: len(raw) // WIDTHS[coding] * WIDTHS[coding]].decode(coding, "replace")
        raw = DECLARATION.sub("", text.lstrip("\ufeff"), 1).encode()
    return raw[max(raw.find(b"<"), 0) : raw.rfind(b">") + 1]


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
                self._add(*self._owner(), value, within=self._depth() > 1)
            else:
                self._add(space, local, value, within=self._depth() > 0)

    def end(self, _: str) -> None:
        self._keep()
        self.stack.pop()

    def text(self, part: str) -> None:
        if self.length < MOST_TEXT:
            self.parts.append(part)
            self.length += len(part)

    def _keep(self) -> None:
        if self.parts and self.stack:
            self._add(*self._owner(), "".join(self.parts), within=self._depth() > 1)
        self.parts.clear()
        self.length = 0

    def _owner(self) -> tuple[str, str]:
        return next((each for each in reversed(self.stack) if each[0] != STRUCTURE), ("", ""))

    def _depth(self) -> int:
        """How many properties the present place lies in."""
        return sum(space not in (STRUCTURE, WRAPPER) for space, _ in self.stack)

    def _add(self, space: str, name: str, text: str, *, within: bool) -> None:
        if not text.strip():
            return
        if len(self.found.properties) >= MOST_PROPERTIES:
            raise Refused("too many properties")
        if within:
            self.found.parts.add(len(self.found.properties))
        self.found.properties.append((space, name, text.strip()[:MOST_TEXT]))


def _split(name: str) -> tuple[str, str]:
    space, _, local = name.rpartition(" ")
    return space, local
