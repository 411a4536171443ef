"""Addresses of the record."""

from django.urls import path

from history import views

urlpatterns = [
    path("o/<slug:organisation>/history/", views.history, name="history"),
    path("o/<slug:organisation>/activity/", views.activity, name="activity"),
    path("o/<slug:organisation>/activity.csv", views.activity_csv, name="activity_csv"),
]
