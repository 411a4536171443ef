"""Addresses of settings: an organisation's, and one's own."""

from __future__ import annotations

from django.urls import path

from accounts import domain_pages, profile_pages, security_pages, settings_pages

SETTINGS = "o/<slug:organisation>/settings/"

urlpatterns = [
    path(SETTINGS, settings_pages.general, name="organisation_settings"),
    path(SETTINGS + "logo/", settings_pages.change_logo, name="organisation_logo_change"),
    path(SETTINGS + "logo/remove/", settings_pages.remove_logo, name="organisation_logo_remove"),
    path(SETTINGS + "security/", security_pages.security, name="organisation_security"),
    path(SETTINGS + "domains/", domain_pages.add, name="organisation_domain_add"),
    path(SETTINGS + "domains/<int:pk>/remove/", domain_pages.remove, name="organisation_domain_remove"),
    path("o/<slug:organisation>/logo/", settings_pages.logo, name="organisation_logo"),
    path("join/<slug:slug>/", domain_pages.join, name="organisation_join"),
    path("accounts/profile/", profile_pages.profile, name="profile"),
]
