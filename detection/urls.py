"""Addresses of detections and models."""

from django.urls import path

from detection import batch_pages, model_pages, trash_pages, views, webhook_pages

ONE = "o/<slug:organisation>/detections/<uuid:pk>/"
BATCHES = "o/<slug:organisation>/batches/"
WEBHOOKS = "o/<slug:organisation>/webhooks/"
WEBHOOK = WEBHOOKS + "<uuid:pk>/"
DELIVERY = WEBHOOK + "deliveries/<int:number>/"

urlpatterns = [
    path("o/<slug:organisation>/", views.check, name="check"),
    path("o/<slug:organisation>/settings/answers/", views.settings_page, name="organisation_answers"),
    path("o/<slug:organisation>/detections/", views.submit, name="detection_submit"),
    path(ONE, views.detail, name="detection_detail"),
    path(ONE + "delete/", trash_pages.delete, name="detection_delete"),
    path(ONE + "restore/", trash_pages.restore, name="detection_restore"),
    path(ONE + "retry/", views.retry, name="detection_retry"),
    path(ONE + "explain/", views.explain, name="detection_explain"),
    path(ONE + "files/<str:kind>/", views.file, name="detection_file"),
    path("o/<slug:organisation>/trash/", trash_pages.index, name="trash"),
    path("o/<slug:organisation>/trash/empty/", trash_pages.empty, name="trash_empty"),
    path(BATCHES, batch_pages.index, name="batches"),
    path(BATCHES + "<uuid:pk>/", batch_pages.detail, name="batch"),
    path(BATCHES + "<uuid:pk>/cancel/", batch_pages.cancel, name="batch_cancel"),
    path(BATCHES + "<uuid:pk>/results.csv", batch_pages.results, {"kind": "csv"}, name="batch_results"),
    path(BATCHES + "<uuid:pk>/results.jsonl", batch_pages.results, {"kind": "jsonl"}, name="batch_results"),
    path("models/", model_pages.models, name="models"),
    path("models/<slug:name>/", model_pages.card, name="model_card"),
    path("models/<slug:name>/<slug:picture>.png", model_pages.picture, name="model_picture"),
    path(WEBHOOKS, webhook_pages.index, name="webhooks"),
    path(WEBHOOKS + "new/", webhook_pages.new, name="webhook_new"),
    path(WEBHOOK, webhook_pages.detail, name="webhook_detail"),
    path(WEBHOOK + "edit/", webhook_pages.edit, name="webhook_edit"),
    path(WEBHOOK + "switch/", webhook_pages.switch, name="webhook_switch"),
    path(WEBHOOK + "rotate/", webhook_pages.rotate, name="webhook_rotate"),
    path(WEBHOOK + "test/", webhook_pages.test, name="webhook_test"),
    path(WEBHOOK + "delete/", webhook_pages.delete, name="webhook_delete"),
    path(DELIVERY, webhook_pages.delivery, name="webhook_delivery"),
    path(DELIVERY + "replay/", webhook_pages.replay, name="webhook_replay"),
]
