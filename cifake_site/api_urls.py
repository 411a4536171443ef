"""Addresses of the REST API, version 1. Each app brings its own; names begin with ``api_``."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.api_urls")),
    path("", include("detection.api_urls")),
    path("", include("history.api_urls")),
]
