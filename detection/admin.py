"""For the people who run the platform: what was examined, what failed, and running it again.

Results and evidence are read-only here as everywhere.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from accounts.admin_base import ModelAdmin
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


class FileByName:
    """No link, which would lead nowhere: files leave through the gate, to members only."""

    @admin.display(description="stored as", ordering="file")
    def stored_as(self, artefact: Artefact) -> str:
        return str(artefact.file.name)


class ArtefactInline(FileByName, Evidence, TabularInline):
    model = Artefact
    fields = readonly_fields = ("kind", "mime", "stored_as")
    tab = True


@admin.register(Detection)
class DetectionAdmin(Evidence, ModelAdmin):
    list_display = (
        "name",
        "organisation",
        "verdict",
        "basis",
        "confidence",
        "submitted_by",
        "created_at",
        "completed_at",
    )
    list_filter = (
        "verdict",
        "basis",
        ("completed_at", admin.EmptyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
        "model_name",
        "created_at",
    )
    list_select_related = ("organisation", "submitted_by")
    search_fields = ("name", "sha256", "organisation__name", "submitted_by__email")
    date_hierarchy = "created_at"
    exclude = ("original", "preview", "thumbnail")
    readonly_fields = ("stored_as",)
    inlines: ClassVar = [StageRunInline, ArtefactInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Detection]:
        """With what is in the trash."""
        return Detection.everything.order_by("-created_at")

    @admin.display(description="stored as (original, preview, thumbnail)")
    def stored_as(self, detection: Detection) -> str:
        return ", ".join(str(file.name) for file in services.own_files(detection))


@admin.register(StageRun)
class StageRunAdmin(Evidence, ModelAdmin):
    list_display = ("detection", "stage", "lane", "state", "attempts", "queued_ms", "run_ms", "error_code")
    list_filter = ("state", "stage", "lane", "error_code")
    list_select_related = ("detection",)
    search_fields = ("detection__name", "error_detail")
    actions = ("run_again",)

    @admin.action(description="Run again (failed and skipped ones)", permissions=["run_again"])
    def run_again(self, request: HttpRequest, queryset: QuerySet[StageRun]) -> None:
        chosen = queryset.count()  # now, as those queued again may no longer match the list's filter
        count = services.run_again(queryset)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, f"Queued again: {count} of {chosen}.", level)

    def has_run_again_permission(self, request: HttpRequest) -> bool:
        """Nobody changes a row by hand; who may change the model may at least have it run."""
        return request.user.has_perm("detection.change_stagerun")


@admin.register(Artefact)
class ArtefactAdmin(FileByName, Evidence, ModelAdmin):
    list_display = ("detection", "kind", "mime", "stored_as")
    fields = readonly_fields = ("detection", "kind", "mime", "stored_as")
    list_filter = ("kind",)
    list_select_related = ("detection",)
    search_fields = ("detection__name",)
