"""The C2PA trust lists: certificates of signers and of time-stamp authorities, in one folder.

Published by the C2PA (conformance-public, CC BY 4.0). Nothing here reaches the network but
:func:`fetch`, which an operator asks for.
"""

from __future__ import annotations

import os
import tempfile
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from mlcore.errors import MlcoreError

SIGNERS, STAMPERS = "C2PA-TRUST-LIST.pem", "C2PA-TSA-TRUST-LIST.pem"
FILES = (SIGNERS, STAMPERS)
OFFICIAL = "https://raw.githubusercontent.com/c2pa-org/conformance-public/main/trust-list"
MOST_BYTES = 4_000_000  # a hundred times today's list
MOST_CERTIFICATES = 2000
SECONDS = 20.0


class TrustListError(MlcoreError):
    """A trust list cannot be had or is none; the message says which and what to do."""

    code = "bad_trust_list"


@dataclass(frozen=True)
class TrustLists:
    """Both lists in PEM. ``stampers`` has none that is among the signers, and may be empty."""

    signers: str
    stampers: str


def load(folder: Path | None) -> TrustLists | None:
    """The lists in ``folder``, or None where there is no readable list of signers."""
    if folder is None:
        return None
    signers, stampers = (_pems(folder / name) for name in FILES)
    # The official lists share most roots. The library names just one list of those that hold a
    # certificate, at random: each stands in one, so that its answer can be relied on.
    apart = (each for each in stampers if each not in signers)
    return TrustLists("".join(signers), "".join(apart)) if signers else None


def certificates(content: bytes, name: str) -> list[x509.Certificate]:
    """The certificates of a list in PEM.

    Raises:
        TrustListError: too large, not PEM, or without a certificate.
    """
    if len(content) > MOST_BYTES:
        raise TrustListError(f"{name} is larger than {MOST_BYTES} bytes, so it is no trust list.")
    try:
        found = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise TrustListError(f"{name} is not a list of certificates in PEM. Fetch it again.") from error
    if len(found) > MOST_CERTIFICATES:
        raise TrustListError(f"{name} has more than {MOST_CERTIFICATES} certificates.")
    return found


def fetch(url: str, seconds: float = SECONDS) -> bytes:
    """What an address holds, at most one byte more than a list may have.

    Raises:
        TrustListError: the address is no web address, or does not answer with a file.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise TrustListError(f"{url} is no web address. It must begin with https://.")
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise TrustListError(
            f"{url} could not be fetched: {error}. Try again, or copy the lists with --from."
        ) from error


def copied(folder: Path, name: str) -> bytes:
    """One list out of a folder.

    Raises:
        TrustListError: it is not there or cannot be read.
    """
    try:
        with (folder / name).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise TrustListError(f"{folder / name} cannot be read: {error.strerror}.") from error


def install(contents: dict[str, bytes], folder: Path) -> None:
    """Check all lists, then put each in its place, whole or not at all.

    Raises:
        TrustListError: one is no list; then none is replaced.
        OSError: the folder cannot be written to.
    """
    for name, content in contents.items():
        certificates(content, name)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        _write(folder / name, content)


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _pems(path: Path) -> tuple[str, ...]:
    try:
        facts = path.stat()
        return _checked(path, facts.st_mtime_ns, facts.st_size)
    except OSError:
        return ()


@lru_cache(maxsize=8)
def _checked(path: Path, changed: int, size: int) -> tuple[str, ...]:
    """The certificates alone: what stands between them is for people. Read again once the file changes."""
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        found = certificates(copied(path.parent, path.name), path.name)
    except TrustListError:
        return ()
    return tuple(each.public_bytes(Encoding.PEM).decode() for each in found)
