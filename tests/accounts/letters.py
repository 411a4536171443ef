"""Invitations as letters: sent, read, and opened too late."""

from __future__ import annotations

import re

import pytest

from accounts import invitations, joining
from accounts.invitations import Invited
from accounts.joining import InvitationClosed
from accounts.models import Role
from tests.accounts.acts import ADA

SITE = "https://cifake.example/"


def invite(principal, *emails: str, role: Role = Role.MEMBER) -> Invited:
    return invitations.invite(principal=principal, emails=emails or (ADA,), role=role, site=SITE)


def token_in(message) -> str:
    return re.search(r"https://cifake\.example/invitations/([\w-]+)/", message.body)[1]


def refused_because(token: str) -> str:
    with pytest.raises(InvitationClosed) as closed:
        joining.find(token)
    return closed.value.state
