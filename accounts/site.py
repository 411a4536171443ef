"""Where links in mail lead: this site's own address, if it was told one.

Else to the host that the request named. That is somebody's word, which ALLOWED_HOSTS alone bounds: where
it allows more than this site's names, a stranger could have a mail sent that leads to their own.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.http import HttpRequest


def site_of(request: HttpRequest | None) -> str:
    """As in ``https://cifake.example``, without a slash at the end; without a request, what was set."""
    if settings.SITE_URL or request is None:
        return settings.SITE_URL
    return request.build_absolute_uri("/").rstrip("/")


def at_site(address: str) -> str:
    """The same page under this site's own name."""
    if not settings.SITE_URL:
        return address
    return urljoin(settings.SITE_URL, urlsplit(address)._replace(scheme="", netloc="").geturl())
