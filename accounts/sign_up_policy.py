"""Who may make an account here: anybody, who was invited or has an address at certain domains, or nobody.

Said by the environment (``SIGN_UP``, ``SIGN_UP_DOMAINS``), or by a platform admin in its place. It holds for
the page, invitations and single sign-on alike; the admin and ``createsuperuser`` make accounts always.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from accounts.models import SignUpRule
from accounts.public_mail import plain

OPEN, INVITED, CLOSED = SignUpRule.Mode.OPEN, SignUpRule.Mode.INVITED, SignUpRule.Mode.CLOSED
NOT_YOURS = "Accounts are made for people who were invited{}. Ask somebody there to invite you."


@dataclass(frozen=True)
class Policy:
    """``domains``: addresses at these need no invitation, where the mode is ``invited``."""

    mode: str
    domains: frozenset[str]

    def admits(self, email: str, *, invited: bool) -> bool:
        """Whether an account may be made under this address. It has to be confirmed before it is of use."""
        if self.mode != INVITED:
            return self.mode == OPEN
        return invited or plain(email.rpartition("@")[2]) in self.domains

    def is_open(self, *, invited: bool) -> bool:
        """Whether there is a form to fill in at all."""
        return self.mode == OPEN or (self.mode == INVITED and (invited or bool(self.domains)))

    def refusal(self) -> str:
        at = ", ".join(sorted(self.domains))
        return NOT_YOURS.format(f" or have an address at {at}" if at else "")


def policy() -> Policy:
    """As it is at this moment."""
    rule = SignUpRule.objects.first()
    if rule is not None and rule.mode:
        return Policy(rule.mode, domains(rule.domains.replace(",", " ").split()))
    return Policy(settings.SIGN_UP, domains(settings.SIGN_UP_DOMAINS))


def domains(given: Iterable[str]) -> frozenset[str]:
    return frozenset(plain(each) for each in given)
