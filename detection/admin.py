"""For the people who run the platform: what was examined, what failed, and running it again.

Results and evidence are read-only here as everywhere.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from detection import services
from detection.models import Artefact, Detection, StageRun


class Evidence:
    """Nobody adds to the record or changes it by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class StageRunInline(Evidence, TabularInline):
    model = StageRun
    fields = ("stage", "state", "attempts", "queued_ms", "run_ms", "error_detail")
    tab = True


class ArtefactInline(Evidence, TabularInline):
    model = Artefact
    fields = ("kind", "mime", "file")
    tab = True


@admin.register(Detection)
class DetectionAdmin(Evidence, ModelAdmin):
    list_display = (
        "name",
        "organisation",
        "verdict",
        "confidence",
        "submitted_by",
        "created_at",
        "completed_at",
    )
    list_filter = ("verdict", ("completed_at", admin.EmptyFieldListFilter), "model_name", "created_at")
    list_select_related = ("organisation", "submitted_by")
    search_fields = ("name", "sha256", "organisation__name", "submitted_by__email")
    date_hierarchy = "created_at"
    inlines: ClassVar = [StageRunInline, ArtefactInline]


@admin.register(StageRun)
class StageRunAdmin(Evidence, ModelAdmin):
    list_display = ("detection", "stage", "lane", "state", "attempts", "queued_ms", "run_ms", "error_code")
    list_filter = ("state", "stage", "lane", "error_code")
    list_select_related = ("detection",)
    search_fields = ("detection__name", "error_detail")
    actions = ("run_again",)

    @admin.action(description="Run again (failed and skipped ones)")
    def run_again(self, request: HttpRequest, queryset: QuerySet[StageRun]) -> None:
        count = services.run_again(queryset)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, f"Queued again: {count} of {queryset.count()}.", level)


@admin.register(Artefact)
class ArtefactAdmin(Evidence, ModelAdmin):
    list_display = ("detection", "kind", "mime", "file")
    list_filter = ("kind",)
    list_select_related = ("detection",)
    search_fields = ("detection__name",)
