"""What people are told when something cannot be done."""

from __future__ import annotations


class Refused(Exception):
    """A rule forbids it. ``code`` is for programs; the message is a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
