"""What can go wrong with an address that somebody else chose."""

from __future__ import annotations


class RemoteError(Exception):
    """``code`` is stable and for programs; ``str(error)`` is one sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class RemoteRefused(RemoteError):
    """For good: the same address will be refused again."""


class RemoteFailed(RemoteError):
    """This time: a later try may work."""
