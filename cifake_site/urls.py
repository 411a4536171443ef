"""All addresses of the site. Those under ``/o/<organisation>/`` pass the gate in accounts.access."""

from django.contrib import admin
from django.urls import include, path

from cifake_site import views

urlpatterns = [
    path("", views.home, name="home"),
    path("health/", views.health, name="health"),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("detection.urls")),
    path("", include("history.urls")),
]
