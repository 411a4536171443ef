"""Addresses of detections and models."""

from django.urls import path

from detection import model_pages, views

ONE = "o/<slug:organisation>/detections/<uuid:pk>/"

urlpatterns = [
    path("o/<slug:organisation>/", views.check, name="check"),
    path("o/<slug:organisation>/settings/", views.settings_page, name="organisation_settings"),
    path("o/<slug:organisation>/detections/", views.submit, name="detection_submit"),
    path(ONE, views.detail, name="detection_detail"),
    path(ONE + "delete/", views.delete, name="detection_delete"),
    path(ONE + "retry/", views.retry, name="detection_retry"),
    path(ONE + "explain/", views.explain, name="detection_explain"),
    path(ONE + "files/<str:kind>/", views.file, name="detection_file"),
    path("models/", model_pages.models, name="models"),
    path("models/<slug:name>/", model_pages.card, name="model_card"),
    path("models/<slug:name>/<slug:picture>.png", model_pages.picture, name="model_picture"),
]
