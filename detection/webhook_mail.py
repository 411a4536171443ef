"""The e-mail to owners when the site has switched a webhook off."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.mail_words import words
from accounts.models import Role, User
from detection.models import Webhook

logger = logging.getLogger(__name__)


def tell_owners(webhook: Webhook) -> None:
    """For a thread that nobody waits for. Never raises: a webhook's page tells it as well."""
    try:
        for owner in _owners(webhook):
            _message(webhook, owner).send()
    except Exception:
        logger.exception("The owners could not be told that the webhook %s is off.", webhook.pk)
    finally:
        connection.close()


def _owners(webhook: Webhook) -> list[User]:
    owning = {"memberships__organisation": webhook.organisation_id, "memberships__role": Role.OWNER}
    return list(User.objects.filter(is_active=True, **owning).order_by("pk"))


def _message(webhook: Webhook, owner: User) -> EmailMultiAlternatives:
    path = reverse("webhook_detail", args=[webhook.organisation.slug, webhook.pk])
    context: dict[str, Any] = {"webhook": webhook, "organisation": words(webhook.organisation.name)}
    context["owner"] = words(str(owner))
    context["address"] = f"{settings.SITE_URL}{path}" if settings.SITE_URL else ""
    subject = f"CIFAKE: a webhook of {words(webhook.organisation.name)} was switched off"
    body = render_to_string("detection/email/webhook_off.txt", context)
    return EmailMultiAlternatives(" ".join(subject.split()), body, to=[owner.email])
