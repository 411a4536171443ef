"""Content credentials: four facts apart, the whole chain, nothing fetched, nothing believed too much."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from c2pa import C2paError

from mlcore.contracts import Finding, Says
from mlcore.provenance import c2pa, manifests, trust
from tests import hostile
from tests.provenance.credentials import AI, CAMERA, JPEG, OTHERS, OURS, folder, only
from tests.provenance.serving import serving
from tests.provenance.signed import Authority, sign_with, signed


def four(found: Finding) -> tuple[str, ...]:
    return tuple(found.facts[name] for name in ("content", "signature", "signer", "certificate"))


def changed(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def edited(parent: bytes, *actions: str, relation: str = "parentOf", by: Authority = OURS) -> bytes:
    action = "c2pa.opened" if relation == "parentOf" else "c2pa.placed"
    more = tuple({"action": each} for each in actions)
    return signed(by, source_type=None, action=action, ingredient=parent, relation=relation, more=more)


def test_a_listed_signer_is_trusted(tmp_path):
    found = only(AI, folder(tmp_path, OURS))
    assert four(found) == ("matches", "whole", "listed", "valid")
    assert (found.says, found.signed, found.trusted) == (Says.AI, True, True)
    assert found.title == "Signed by Picture Maker Ltd"


def test_an_unlisted_signer_is_whole_but_not_trusted_and_never_invalid(tmp_path):
    found = only(AI, folder(tmp_path, OTHERS))
    assert four(found) == ("matches", "whole", "not listed", "valid")
    assert (found.says, found.signed, found.trusted) == (Says.AI, True, False)
    assert "in the name of" in found.title
    assert "anybody may have signed it" in found.detail


@pytest.mark.parametrize("where", [None, "missing"])
def test_without_lists_the_signer_is_not_checked(tmp_path, where):
    found = only(AI, where and tmp_path / where)
    assert four(found) == ("matches", "whole", "not checked", "valid")
    assert (found.signed, found.trusted) == (True, False)
    assert "was not checked" in found.detail


def test_an_expired_certificate_is_a_fact_of_its_own(tmp_path):
    now = datetime.now(UTC)
    old = signed(OURS, signer=OURS.issue("Old", now - timedelta(days=800), now - timedelta(days=400)))
    found = only(old, folder(tmp_path, OURS))
    assert four(found) == ("matches", "whole", "not known", "expired")
    assert (found.says, found.signed, found.trusted) == (Says.AI, True, False)


def test_changed_pixels_break_the_hash_and_nothing_else(tmp_path):
    found = only(changed(AI, len(AI) - 40), folder(tmp_path, OURS))
    assert four(found) == ("broken", "whole", "listed", "valid")
    assert (found.says, found.signed, found.trusted) == (Says.INVALID, False, False)
    assert "generative" not in found.detail  # what it says no longer counts


def test_a_changed_statement_breaks_the_hash(tmp_path):
    found = only(AI.replace(b"trainedAlgorithmicMedia", b"digitalCapture_________"), folder(tmp_path, OURS))
    assert found.facts["content"] == "broken"
    assert found.says == Says.INVALID


def test_a_changed_claim_breaks_the_signature(tmp_path):
    place = AI.index(b"Picture Maker", AI.index(b"c2pa.claim"))
    found = only(changed(AI, place), folder(tmp_path, OURS))
    assert (found.facts["content"], found.facts["signature"]) == ("matches", "broken")
    assert found.says == Says.INVALID


def test_a_spoilt_signature_box_is_a_broken_signature():
    place = AI.index(b"cbor", AI.index(b"c2pa.signature")) + 8
    found = only(AI[:place] + b"\xff" * 20 + AI[place + 20 :])
    assert (found.says, found.facts["signature"]) == (Says.INVALID, "broken")


def test_a_time_stamp_authority_vouches_for_no_signer(tmp_path):
    found = only(AI, folder(tmp_path, OTHERS, stampers=OURS))
    assert (found.facts["signer"], found.trusted) == ("not listed", False)


def test_a_list_may_name_an_authority_below_another(tmp_path):
    below = Authority("Below", above=OTHERS)
    found = only(signed(below), folder(tmp_path, below))
    assert (found.facts["signer"], found.trusted) == ("listed", True)


def test_a_new_list_counts_at_once(tmp_path):
    where = folder(tmp_path, OTHERS)
    assert not only(AI, where).trusted
    trust.install({trust.SIGNERS: (OTHERS.pem + OURS.pem).encode()}, where)
    assert only(AI, where).trusted


def altered(*, add: tuple[tuple[str, str], ...] = (), drop: str = "") -> manifests.Standing:
    """The standing of a trusted picture after some of the library's codes have come or gone."""
    lists = trust.TrustLists(OURS.pem, "")
    report, _ = c2pa._report(AI, JPEG, lists)
    results = report["validation_results"]["activeManifest"]
    for status, code in add:
        results[status].append({"code": code, "url": ""})
    results["success"] = [each for each in results["success"] if not drop or drop not in each["code"]]
    chain = manifests.chain(report, lists=True)
    assert chain is not None
    return chain.active.standing


def test_the_unaltered_report_is_trusted():
    assert altered().trusted


def test_a_withdrawn_certificate_is_not_trusted():
    standing = altered(add=(("failure", "signingCredential.ocsp.revoked"),))
    assert (standing.signer, standing.whole, standing.trusted) == ("revoked", True, False)


def test_a_hash_that_leaves_parts_out_is_not_trusted():
    standing = altered(add=(("informational", "assertion.dataHash.additionalExclusionsPresent"),))
    assert (standing.everything, standing.whole, standing.trusted) == (False, True, False)


@pytest.mark.parametrize(
    "code",
    [
        "timeStamp.mismatch", "timeStamp.malformed", "timeStamp.outsideValidity", "timeStamp.untrusted",
        "signingCredential.ocsp.unknown", "signingCredential.ocsp.inaccessible", "signingCredential.invalid",
        "signingCredential.untrusted", "ingredient.unknownProvenance", "ingredient.manifest.missing",
        "assertion.action.ingredientMismatch", "assertion.cbor.invalid", "assertion.dataHash.malformed",
        "assertion.bmffHash.malformed", "cawg.identity.sig_type.unknown", "algorithm.unsupported",
        "general.error",
    ],
)  # fmt: skip
def test_what_could_not_be_checked_was_not_changed(code):
    assert not altered(add=(("failure", code),)).broken


@pytest.mark.parametrize("code", ["algorithm.unsupported", "signingCredential.invalid"])
def test_a_signature_of_a_kind_that_cannot_be_read_is_not_broken(code):
    standing = altered(add=(("failure", code), ("failure", "claimSignature.mismatch")), drop="claimSignature")
    assert (standing.signature, standing.broken, standing.trusted) == ("not checked", False, False)


@pytest.mark.parametrize(
    "code",
    [
        "claimSignature.mismatch", "claimSignature.missing", "assertion.hashedURI.mismatch",
        "assertion.missing",
        "assertion.undeclared", "assertion.bmffHash.mismatch", "assertion.boxesHash.unknownBox",
    ],
)  # fmt: skip
def test_what_was_changed_is_broken(code):
    assert altered(add=(("failure", code),)).broken


def test_a_signature_by_an_unknown_algorithm_is_not_checked(tmp_path):
    heard: list[tuple[bytes, bytes]] = []
    signer = OURS.issue("Picture Maker")
    data = signed(OURS, signer=signer, heard=heard)
    message, signature = heard[-1]
    place = message.index(b"\x01\x26") - 1  # the algorithm, −7 for ES256, in the protected header
    before, after = (
        message[place : place + 64],
        message[place : place + 2] + b"\x25" + message[place + 3 : place + 64],
    )
    message = message.replace(before, after)
    found = only(
        data.replace(before, after).replace(signature, sign_with(signer[1], message)), folder(tmp_path, OURS)
    )
    assert (found.facts["content"], found.facts["signature"]) == ("matches", "not checked")
    assert (found.says, found.signed, found.trusted) == (Says.AI, False, False)


def test_a_statement_tied_to_no_content_is_neither_whole_nor_broken():
    standing = altered(drop="dataHash")
    assert (standing.content, standing.whole, standing.broken) == ("not bound", False, False)


def test_a_signature_outside_its_certificates_time_is_not_broken():
    standing = altered(add=(("failure", "claimSignature.outsideValidity"),))
    assert (standing.certificate, standing.broken, standing.trusted) == ("expired", False, False)


def test_an_edit_of_a_generated_picture_is_still_generated(tmp_path):
    found = only(edited(AI, "c2pa.color_adjustments"), folder(tmp_path, OURS))
    assert (found.says, found.trusted) == (Says.AI, True)
    assert found.facts["actions"] == ["c2pa.opened", "c2pa.color_adjustments"]
    assert found.facts["ingredients"] == [{"title": "before.jpg", "relation": "parentOf"}]
    assert found.facts["earlier"][0]["source_types"][0].endswith("trainedAlgorithmicMedia")


def test_two_edits_later_it_is_still_generated(tmp_path):
    found = only(edited(edited(AI), "c2pa.cropped"), folder(tmp_path, OURS))
    assert (found.says, found.trusted, len(found.facts["earlier"])) == (Says.AI, True, 2)


def test_a_trusted_editor_does_not_vouch_for_what_a_stranger_said(tmp_path):
    found = only(edited(signed(OTHERS)), folder(tmp_path, OURS))
    assert (found.says, found.signed, found.trusted) == (Says.AI, True, False)
    assert "earlier signer" in found.detail


def test_a_generated_part_makes_an_edit(tmp_path):
    found = only(edited(AI, relation="componentOf"), folder(tmp_path, OURS))
    assert found.says == Says.EDITED
    assert "some of them made by generative AI" in found.detail


def test_a_camera(tmp_path):
    found = only(CAMERA, folder(tmp_path, OURS))
    assert (found.says, found.trusted) == (Says.CAMERA, True)
    assert "Camera One" in found.detail


@pytest.mark.parametrize(
    "data",
    [
        edited(CAMERA),
        signed(OURS, source_type="digitalCapture", more=({"action": "c2pa.drawing"},)),
        signed(OURS, source_type="compositeWithTrainedAlgorithmicMedia", action="c2pa.edited"),
        signed(OURS, source_type="digitalCapture", more=({"action": "c2pa.edited"},), ingredient=CAMERA),
    ],
)
def test_an_edited_photograph_is_no_longer_a_cameras(tmp_path, data):
    assert only(data, folder(tmp_path, OURS)).says == Says.EDITED


@pytest.mark.parametrize("source", ["screenCapture", "print", "digitalArt", None])
def test_other_sources_are_named_and_decide_nothing(source):
    assert only(signed(OURS, source_type=source)).says == Says.INFO


def test_an_authority_on_both_lists_vouches_for_signers(tmp_path):
    """As most of the official lists do; the library names one of the two at random."""
    where = folder(tmp_path, OURS, stampers=OURS)
    assert all(only(AI, where).trusted for _ in range(8))


@pytest.mark.parametrize("embed", [True, False])
def test_no_named_address_is_asked(tmp_path, embed):
    with serving(lambda _: b"") as (address, asked):
        signer = OURS.issue("Picture Maker", ocsp=f"{address}/ocsp")
        data = signed(OURS, remote=f"{address}/store.c2pa", embed=embed, signer=signer)
        data += b"\0\0\0\x40jumb" + b"\0\0\0\x20jumd" + bytes(24)  # the library is called in any case
        found = c2pa.read(data, JPEG, folder(tmp_path, OURS))
    assert asked == []
    assert found[-1].facts == {"address": f"{address}/store.c2pa", "fetched": False}
    assert [each.says for each in found] == [Says.INVALID, Says.INFO][not embed :]  # for what was appended


def test_the_library_would_have_asked(monkeypatch):
    """Else the test above would prove nothing."""
    loose = {"verify": {"remote_manifest_fetch": True}}
    monkeypatch.setattr(c2pa, "_settings", lambda lists: loose)
    with serving(lambda _: b"") as (address, asked):
        data = signed(OURS, remote=f"{address}/store.c2pa", embed=False)
        with pytest.raises(C2paError):
            c2pa._report(data, JPEG, None)
    assert asked == ["/store.c2pa"]


@pytest.mark.parametrize(
    "data", [b"", b"jumb", b"\xff\xd8\xff", hostile.jpeg(), hostile.png(), b"\0\0\0\1jumb" * 9]
)
def test_files_without_credentials(data):
    assert c2pa.read(data, JPEG, None) == []


def test_names_are_made_short_and_plain():
    found = only(signed(OURS, generator="Evil\u202emaker\n\x1b[31m" + "x" * 5000))
    words = json.dumps([found.title, found.detail, found.facts], ensure_ascii=False)
    assert len(words) < 3000
    assert not set("\u202e\x1b") & set(words)
