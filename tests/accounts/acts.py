"""What people do in these tests, and what they read."""

from __future__ import annotations

import html
import re
from typing import Any

from django.test import Client
from django.urls import reverse

from tests.conftest import PASSWORD

ADA = "ada@herald.example"


def sign_in(client: Client, email: str, password: str = PASSWORD, **headers):
    return client.post(reverse("account_login"), {"login": email, "password": password}, **headers)


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("account_email")).status_code == 200


def link_in(message) -> str:
    """The path of the link that a mail carries."""
    return re.search(r"https?://[^/\s]+(/\S+)", message.body)[1]


def url(name: str, herald, *args) -> str:
    return reverse(name, args=[herald.slug, *args])


def text(response) -> str:
    """What is read on the page, without tags."""
    main = re.search(r"<main.*</main>", response.content.decode(), re.S)[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


def invite(client, herald, emails: str = ADA, role: str = "member", **extra) -> Any:
    return client.post(url("invite", herald), {"emails": emails, "role": role}, **extra)
