"""Content credentials (C2PA): signed statements about a picture's origin, read and verified offline.

The library would fetch manifests from whatever address a file names, and ask certificate
authorities about revocation: both are off, and no host is allowed.
"""

from __future__ import annotations

import ctypes
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Timer
from typing import Any

from mlcore.contracts import Finding, Says, Source
from mlcore.provenance import coverage, declared, manifests, trust
from mlcore.provenance.text import clean

SECONDS = 1.5  # then the library is told to give up
MOST_REPORT = 8_000_000  # bytes of JSON; real ones have some ten thousand
MOST_UNPACKED_MB = 8  # of a compressed manifest

MOST_STORE = 6_000_000  # bytes that all manifests together may claim; ten with thumbnails have one million
MOST_BOXES = 3000

# A box of boxes begins with its length and type, then the box that describes it (ISO 19566-5, B.1).
BOX = re.compile(rb"(?s)jumb(?=(?:.{8})?.{4}jumd)")
ELSEWHERE = re.compile(rb"provenance\s{0,9}(?:=\s{0,9}[\"']|>\s{0,9})(https?://[^\s\"'<>]{1,400})")


def read(data: bytes, mime: str, trust_dir: Path | None) -> list[Finding]:
    """What the content credentials in a file say, and what they are worth.

    Args:
        data: the file, byte for byte.
        mime: its type, as "image/jpeg".
        trust_dir: folder of the trust lists (:mod:`mlcore.provenance.trust`); None: not checked.

    ``facts`` holds the four facts apart: ``content`` (hash), ``signature``, ``signer`` (list),
    ``certificate`` (at signing time), see :class:`mlcore.provenance.manifests.Standing`.
    """
    found = [_elsewhere(address)] if (address := _address(data)) else []
    starts = [box.start() for box in islice(BOX.finditer(data), MOST_BOXES + 1)]
    claims = [int.from_bytes(data[max(0, start - 4) : start], "big") for start in starts]
    if len(claims) > MOST_BOXES or max(claims, default=0) > MOST_STORE:
        return [_unreadable("more than is looked at"), *found]
    return [*(_embedded(data, mime, trust.load(trust_dir)) if claims else []), *found]


def _embedded(data: bytes, mime: str, lists: trust.TrustLists | None) -> list[Finding]:
    from c2pa import C2paError

    try:
        report, details = _report(data, mime, lists)
    except C2paError.ManifestNotFound:
        return []
    except C2paError.Signature as error:
        return [declared.unverifiable(clean(error, 200))]
    except C2paError as error:
        return [] if _only_named(error) else [_unreadable(clean(error, 200))]
    chain = manifests.chain(report, lists=lists is not None, covered=_covered(report, details, data))
    return [declared.finding(chain)] if chain else []


def _covered(report: dict[str, Any], details: dict[str, Any], data: bytes) -> dict[str, bool]:
    stores = details.get("manifests")
    return coverage.covered(stores, data, manifests.bound(report)) if isinstance(stores, dict) else {}


def _report(data: bytes, mime: str, lists: trust.TrustLists | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The library's report, and its detailed one, which alone holds what a hash leaves out.

    Raises:
        C2paError: there is no manifest, it cannot be read, or it took too long.
    """
    from c2pa import C2paError, Context, Reader

    with (
        Context.from_dict(_settings(lists)) as context,
        _limited(context),
        Reader(mime, io.BytesIO(data), context=context) as reader,
    ):
        reports = reader.json(), reader.detailed_json()
    if (size := max(map(len, reports))) > MOST_REPORT:
        raise C2paError(f"the report has {size} bytes")
    report, details = map(json.loads, reports)
    return report, details


def _settings(lists: trust.TrustLists | None) -> dict[str, Any]:
    anchors = (
        {"trust_kind": "manifest", "trust_uri": manifests.SIGNERS, "trust_anchors": lists and lists.signers},
        {"trust_kind": "tsa", "trust_uri": "time-stamps", "trust_anchors": lists and lists.stampers},
    )
    return {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
        "core": {
            "allowed_network_hosts": [],
            "max_decompressed_manifest_size_in_mb": MOST_UNPACKED_MB,
            "decode_identity_assertions": False,  # these may name further addresses
        },
        "trust": {"anchors": [each for each in anchors if each["trust_anchors"]]},
    }


@contextmanager
def _limited(context: Any) -> Iterator[None]:
    """Ends what the library does for this context after SECONDS, at its next step.

    The Python package has no call for it; the library's own C interface does.
    """
    from c2pa.c2pa import _lib

    cancel = _lib.c2pa_context_cancel
    cancel.argtypes, cancel.restype = [ctypes.c_void_p], ctypes.c_int
    timer = Timer(SECONDS, cancel, [context.execution_context])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # the context must outlive a call that has begun


def _address(data: bytes) -> str:
    if b"provenance" not in data:
        return ""
    found = ELSEWHERE.search(data)
    return clean(found[1].decode("ascii", "replace"), 300) if found else ""


def _elsewhere(address: str) -> Finding:
    return Finding(
        Source.C2PA,
        Says.INFO,
        "Content credentials kept elsewhere",
        "The file names an address where content credentials of it are kept. It was not asked, because that "
        "would tell its owner that the picture is being checked.",
        facts={"address": address, "fetched": False},
    )


def _only_named(error: Exception) -> bool:
    return "remote manifest" in str(error).lower()


def _unreadable(error: str) -> Finding:
    return Finding(
        Source.C2PA,
        Says.INFO,
        "Content credentials that cannot be read",
        "The file seems to hold content credentials, but they are damaged or of an unknown kind. That says "
        "nothing about the picture.",
        facts={"readable": False, "error": error},
    )
