"""A source type in any spelling; of the picture itself, and not of a part of it."""

from __future__ import annotations

import pytest

from mlcore.contracts import Says
from mlcore.provenance import metadata, vocabulary, xmp
from tests.provenance import makers

CODE = "cv.iptc.org/newscodes/digitalsourcetype"
FORMS = (
    "http://{code}/{term}", "https://{code}/{term}", "HTTP://CV.IPTC.ORG/newscodes/digitalsourcetype/{term}",
    "http://{code}/{term}/", "http://{code}/{term}//", "http://{code}/{term}?lang=en-GB", "http://{code}/{term}/?lang=en",
    "http://{code}/{term}#", "http://{code}/{term}#x", "http://{code}#{term}", "http://{code}/{term}?a=1#x",
    "digsrctype:{term}", "digitalsourcetype:{term}", "{term}", " {term}\n", "//{code}/{term}",
    "{code}/{term}", "http://{code}/%20{term}", "urn:iptc:digsrctype:{term}",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
@pytest.mark.parametrize(
    "term", ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "digitalCapture"]
)
def test_any_form_of_the_address(form, change, term):
    found = vocabulary.source_type(form.format(code=CODE, term=change(term)))
    assert found is not None
    assert found[0] == term


@pytest.mark.parametrize(
    "term",
    [
        "compositedWithTrainedAlgorithmicMedia",
        "CompositedWithTrainedAlgorithmicMedia",
        "Edited using Generative AI",
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_other_spellings_of_a_composite(term, form):
    found = vocabulary.source_type(form.format(code=CODE, term=term))
    assert found is not None
    assert found[:2] == ("compositeWithTrainedAlgorithmicMedia", Says.EDITED)


@pytest.mark.parametrize(
    "text",
    ["", "?", "#", "/", ":", "untrainedAlgorithmicMedia", "trainedAlgorithmicMedia2", "http://a.example/?trainedAlgorithmicMedia",
     "not trainedAlgorithmicMedia", "x" * 100_000],
)  # fmt: skip
def test_what_is_no_term(text):
    assert vocabulary.source_type(text) is None


TRAINED = f"{makers.SOURCE_TYPE}trainedAlgorithmicMedia"
ELEMENT = f"<Iptc4xmpExt:DigitalSourceType>{TRAINED}</Iptc4xmpExt:DigitalSourceType>"
ATTRIBUTE = f'Iptc4xmpExt:DigitalSourceType="{TRAINED}"'
ADOBE = (
    'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" '
    'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"'
)
REGION = "Iptc4xmpExt:ImageRegion"
PARTS = {
    "region": (REGION, "<rdf:li {attribute} rdf:parseType='Resource'>{element}</rdf:li>"),
    "described region": (REGION, "<rdf:li><rdf:Description {attribute}>{element}</rdf:Description></rdf:li>"),
    "ingredient": ("xmpMM:Ingredients", "<rdf:li {attribute}>{element}</rdf:li>"),
    "entry of the history": ("xmpMM:History", "<rdf:li {attribute}>{element}</rdf:li>"),
    "version before": ("xmpMM:DerivedFrom", "<rdf:li {attribute}>{element}</rdf:li>"),
}


def part(name: str, element: str, attribute: str) -> str:
    of, inner = PARTS[name]
    return f"<{of} {ADOBE}><rdf:Bag>{inner.format(element=element, attribute=attribute)}</rdf:Bag></{of}>"


RESOURCE = f"<Iptc4xmpExt:DigitalSourceType rdf:resource='{TRAINED}'/>"


def says(packet: bytes, form: str = "JPEG") -> set[Says]:
    return {each.says for each in metadata.read(makers.xmp_file(form, packet))}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(("element", "attribute"), [(ELEMENT, ""), ("", ATTRIBUTE), (RESOURCE, "")])
def test_the_source_type_of_a_part_is_not_the_pictures(name, element, attribute):
    body = part(name, element, attribute)
    assert Says.AI not in says(makers.xmp(body))
    assert Says.AI in says(makers.xmp(body + ELEMENT))


LISTED = ELEMENT.replace(TRAINED, f"<rdf:Bag><rdf:li>{TRAINED}</rdf:li></rdf:Bag>")


@pytest.mark.parametrize("element", [ELEMENT, RESOURCE, LISTED])
def test_the_source_type_of_the_picture(element):
    assert says(makers.xmp(element)) == {Says.AI}


@pytest.mark.parametrize("term", sorted(vocabulary.COMPOSITES))
@pytest.mark.parametrize(
    "named",
    [
        "<xmp:CreatorTool>Adobe Firefly</xmp:CreatorTool>",
        "<Iptc4xmpExt:AISystemUsed>Adobe Firefly</Iptc4xmpExt:AISystemUsed>",
        part("entry of the history", "<stEvt:softwareAgent>Adobe Firefly</stEvt:softwareAgent>", ""),
        part("entry of the history", "", "stEvt:softwareAgent='Adobe Firefly'"),
    ],
)
def test_a_generator_beside_a_composite_made_a_part(term, named):
    whole = f'Iptc4xmpExt:DigitalSourceType="{makers.SOURCE_TYPE}{term}"'
    assert says(makers.xmp(named, whole)) == {Says.EDITED}
    assert Says.AI in says(makers.xmp(named, ATTRIBUTE))
    assert Says.AI in says(makers.xmp(named))


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize(
    "declared", ["", "<?xml version='1.0' encoding='{coding}'?>", "<?xml version='1.0' encoding='UTF-8'?>\n"]
)
@pytest.mark.parametrize("coding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_packet_in_any_encoding_of_unicode(coding, declared, mark):
    text = (
        declared.format(coding=coding.upper())
        + makers.xmp("<dc:title>größer 🙂</dc:title>", ATTRIBUTE).decode()
    )
    raw = (("\ufeff" if mark else "") + text).encode(coding)
    for padding in (b"", b"\0\0\0", b"\n"):
        found = xmp.read(raw + padding)
        assert (found.refused, found.first("title")) == ("", "größer 🙂")
    assert says(raw) == {Says.AI}


def test_a_flood_of_nested_properties_is_bounded():
    nest = "<dc:a>" * 40 + "".join(f"<dc:b{at} dc:c='{at}'/>" for at in range(5000)) + "</dc:a>" * 40
    found = xmp.read(makers.xmp(nest))
    assert found.refused == "too many properties"
    assert len(found.parts) == xmp.MOST_PROPERTIES
