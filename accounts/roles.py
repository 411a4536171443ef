"""Roles in words, and the table of who may what: from accounts.access, for pages and docs alike."""

from __future__ import annotations

from accounts.access import ALLOWED, PERMISSIONS
from accounts.models import Role

WORDS: dict[str, str] = {
    Role.OWNER: "Decides everything, and who else is an owner.",
    Role.ADMIN: "Runs the organisation: people, settings, API keys and webhooks.",
    Role.MEMBER: "Checks images and sees everybody’s results.",
    Role.AUDITOR: "Reads everything, the activity included, and changes nothing.",
}
RANK = {role: number for number, role in enumerate(Role)}  # the order in which people look for them


def table() -> list[tuple[str, list[bool]]]:
    """For each permission, in words, whether each role carries it; roles in the order of ``Role``."""
    return [
        (words, [permission in ALLOWED[role] for role in Role]) for permission, words in PERMISSIONS.items()
    ]


def markdown() -> str:
    """The table for the docs."""
    head = ["What", *(role.label for role in Role)]
    rows = [[words, *("yes" if each else "–" for each in may)] for words, may in table()]
    lines = [head, ["---", *[":-:"] * len(Role)], *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
