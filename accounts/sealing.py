"""Secrets that must be read again are kept encrypted: whoever sees the database alone cannot use them.

Fernet (AES-128-CBC with HMAC-SHA-256) by a key made of SECRET_KEY with HKDF (RFC 5869), one for each purpose.
After SECRET_KEY was changed, what was sealed under the old one opens while that is in SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64
import logging

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

logger = logging.getLogger(__name__)


class Unreadable(Exception):
    """It was sealed under a SECRET_KEY that is not known any more, or has been tampered with."""


def seal(text: str, purpose: str) -> str:
    return _box(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, purpose: str) -> str:
    """Raises Unreadable."""
    try:
        return _box(purpose).decrypt(sealed).decode()
    except InvalidToken:
        logger.error(
            "A sealed secret (%s) does not open: put the SECRET_KEY before into SECRET_KEY_FALLBACKS.",
            purpose,
        )
        raise Unreadable(purpose) from None


def _box(purpose: str) -> MultiFernet:
    return MultiFernet(
        [_fernet(key, purpose) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _fernet(key: str, purpose: str) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=f"cifake {purpose}".encode()).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
