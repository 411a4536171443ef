"""Addresses of organisations: members, invitations, keys, settings."""

from __future__ import annotations

from django.urls import URLPattern

from accounts import key_urls, member_urls, settings_urls

urlpatterns: list[URLPattern] = [
    *settings_urls.urlpatterns,
    *member_urls.urlpatterns,
    *key_urls.urlpatterns,
]
