"""Addresses of detections in the API."""

from __future__ import annotations

from django.urls import path

from detection import api, api_batches, api_events, api_models, api_webhooks

ONE = "detections/<uuid:pk>/"
BATCH = "batches/<uuid:pk>/"

urlpatterns = [
    path("events/", api_events.EventsView.as_view(), name="api_events"),
    path("detections/", api.DetectionsView.as_view(), name="api_detections"),
    path(ONE, api.DetectionView.as_view(), name="api_detection"),
    path(ONE + "files/<slug:kind>/", api.FileView.as_view(), name="api_detection_file"),
    path(ONE + "restore/", api.RestoreView.as_view(), name="api_detection_restore"),
    path(ONE + "rerun/", api.RerunView.as_view(), name="api_detection_rerun"),
    path(ONE + "explanations/<slug:stage>/", api.ExplanationView.as_view(), name="api_explanation"),
    path(ONE + "events/", api_events.DetectionEventsView.as_view(), name="api_detection_events"),
    path("batches/", api_batches.BatchesView.as_view(), name="api_batches"),
    path(BATCH, api_batches.BatchView.as_view(), name="api_batch"),
    path(BATCH + "cancel/", api_batches.BatchCancelView.as_view(), name="api_batch_cancel"),
    path(BATCH + "results.jsonl", api_batches.BatchLinesView.as_view(), name="api_batch_lines"),
    path(BATCH + "results.csv", api_batches.BatchTableView.as_view(), name="api_batch_table"),
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
