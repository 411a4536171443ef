"""The record of what happened, for the people who run the platform: to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin_base import ModelAdmin
from history.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ModelAdmin):
    list_display = ("at", "organisation", "actor", "event", "subject")
    list_filter = ("event", "at")
    list_select_related = ("organisation",)
    search_fields = ("actor", "subject", "organisation__name", "organisation__slug")
    date_hierarchy = "at"
    ordering = ("-id",)
    show_full_result_count = False  # counting a long record takes longer than reading a page of it

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
