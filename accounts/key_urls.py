"""Addresses of API keys and of usage."""

from __future__ import annotations

from django.urls import path

from accounts import key_pages, usage_pages

KEYS = "o/<slug:organisation>/keys/"
ONE = KEYS + "<uuid:pk>/"

urlpatterns = [
    path(KEYS, key_pages.keys_page, name="keys"),
    path(KEYS + "new/", key_pages.make, name="key_make"),
    path(ONE, key_pages.change, name="key_change"),
    path(ONE + "rotate/", key_pages.rotate, name="key_rotate"),
    path(ONE + "revoke/", key_pages.revoke, name="key_revoke"),
    path("o/<slug:organisation>/usage/", usage_pages.usage_page, name="usage"),
]
