"""Pictures with content credentials, signed by an authority that is on our list or by another one."""

from __future__ import annotations

from pathlib import Path

from mlcore.contracts import Finding
from mlcore.provenance import c2pa, trust
from tests.provenance.signed import Authority, signed

JPEG = "image/jpeg"
OURS, OTHERS = Authority("Ours"), Authority("Others")
AI = signed(OURS)
CAMERA = signed(OURS, source_type="digitalCapture", generator="Camera One")


def folder(tmp_path: Path, signers: Authority, stampers: Authority | None = None) -> Path:
    lists = {trust.SIGNERS: signers.pem.encode()}
    if stampers:
        lists[trust.STAMPERS] = stampers.pem.encode()
    trust.install(lists, tmp_path / "trust")
    return tmp_path / "trust"


def only(data: bytes, trust_dir: Path | None = None, mime: str = JPEG) -> Finding:
    found = c2pa.read(data, mime, trust_dir)
    assert len(found) == 1, found
    return found[0]
