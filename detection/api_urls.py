"""Addresses of detections in the API."""

from __future__ import annotations

from django.urls import path

from detection import api_models

urlpatterns = [
    path("models/", api_models.ModelsView.as_view(), name="api_models"),
    path("models/<slug:name>/", api_models.ModelView.as_view(), name="api_model"),
]
