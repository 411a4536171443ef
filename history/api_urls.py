"""Addresses of the record in the API."""

from __future__ import annotations

from django.urls import path

from history import api

urlpatterns = [path("activity/", api.ActivityView.as_view(), name="api_activity")]
