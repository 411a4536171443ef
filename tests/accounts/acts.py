"""What people do in these tests, and what they read."""

from __future__ import annotations

import html
import io
import re
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from accounts.access import Principal, principal_of_key
from accounts.models import ApiKey, Membership
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


def said(response) -> str:
    """The whole page without markup, in one line."""
    shown = re.sub(r"<(script|style|svg).*?</\1>", " ", response.content.decode(), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", shown)).split())


def picture(form: str = "PNG", size: tuple[int, int] = (600, 300), **how) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, form, **how)
    return out.getvalue()


def upload(client, principal, data: bytes, name: str = "logo.png") -> Any:
    """Another logo for the organisation."""
    logo = SimpleUploadedFile(name, data)
    return client.post(url("organisation_logo_change", principal.organisation), {"logo": logo})


def own(principal) -> Membership:
    """The membership that the principal acts by."""
    return Membership.objects.get(organisation=principal.organisation, user=principal.user)


def key_of(organisation, *scopes: str) -> Principal:
    key = ApiKey.objects.create(organisation=organisation, name="CMS", scopes=list(scopes))
    return principal_of_key(key)
