"""The letter with the link."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from smtplib import SMTPException
from urllib.parse import urljoin

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.mail_words import words
from accounts.models import Invitation

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Letter:
    """``token`` opens the invitation, and is kept nowhere else."""

    invitation: Invitation
    token: str
    sender: str  # as the reader knows them


def send(letters: Sequence[Letter], *, site: str) -> tuple[list[str], list[str]]:
    """The addresses whose letter the mail server took, and those whose letter it did not."""
    taken: list[str] = []
    if letters:
        try:
            with get_connection() as connection:
                taken = [each.invitation.email for each in letters if _send(each, site, connection)]
        except (OSError, SMTPException):
            logger.warning("The mail server cannot be reached.", exc_info=True)
    return taken, [each.invitation.email for each in letters if each.invitation.email not in taken]


def _send(letter: Letter, site: str, connection: BaseEmailBackend) -> bool:
    """One that is refused does not keep back the others."""
    try:
        return bool(connection.send_messages([message(letter, site)]))
    except (OSError, SMTPException):
        logger.warning("An invitation could not be sent.", exc_info=True)
        return False


def message(letter: Letter, site: str) -> EmailMessage:
    context = {
        "invitation": letter.invitation,
        "organisation": words(letter.invitation.organisation.name),
        "sender": words(letter.sender),
        "link": urljoin(site, reverse("invitation", args=[letter.token])),
        "site": site.rstrip("/"),
    }
    subject = " ".join(render_to_string("accounts/email/invitation_subject.txt", context).split())
    body = render_to_string("accounts/email/invitation_message.txt", context)
    return EmailMessage(subject, body, to=[letter.invitation.email])
