"""Addresses of organisations: members, invitations, keys, settings."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
