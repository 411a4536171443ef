"""Addresses of detections in the API."""

from __future__ import annotations

from django.urls import path

from detection import api_models, api_webhooks

urlpatterns = [
    path("models/", api_models.ModelsView.as_view(), name="api_models"),
    path("models/<slug:name>/", api_models.ModelView.as_view(), name="api_model"),
    path("webhooks/", api_webhooks.WebhooksView.as_view(), name="api_webhooks"),
    path("webhooks/<uuid:pk>/", api_webhooks.WebhookView.as_view(), name="api_webhook"),
    path("webhooks/<uuid:pk>/rotate/", api_webhooks.WebhookSecretView.as_view(), name="api_webhook_rotate"),
    path("webhooks/<uuid:pk>/test/", api_webhooks.WebhookTestView.as_view(), name="api_webhook_test"),
    path("webhooks/<uuid:pk>/deliveries/", api_webhooks.DeliveriesView.as_view(), name="api_deliveries"),
    path(
        "webhooks/<uuid:pk>/deliveries/<int:delivery>/",
        api_webhooks.DeliveryView.as_view(),
        name="api_delivery",
    ),
    path(
        "webhooks/<uuid:pk>/deliveries/<int:delivery>/replay/",
        api_webhooks.ReplayView.as_view(),
        name="api_delivery_replay",
    ),
]
