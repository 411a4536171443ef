"""What decides an answer runs side by side: provenance in a lane of its own, stability within the verdict.

Answers kept for an Idempotency-Key go: each is rendered anew from what the request made.
"""

from django.db import migrations
from django.db.models import Exists, OuterRef
from django.utils import timezone

FINAL = ("done", "failed", "skipped")
ON_DEMAND = ("gradcam_pp", "shap", "lime")


def to_the_lane_of_its_own(apps, schema_editor):
    runs, detections = (apps.get_model("detection", name).objects for name in ("StageRun", "Detection"))
    runs.filter(stage="provenance", lane="slow").update(lane="origin")
    runs.filter(stage="stability").exclude(state__in=FINAL).delete()
    mine = runs.filter(detection=OuterRef("pk"))
    open_ones = mine.exclude(state__in=FINAL).exclude(stage__in=ON_DEMAND)
    over = detections.filter(Exists(mine), ~Exists(open_ones), completed_at=None)
    over.update(completed_at=timezone.now())


def back(apps, schema_editor):
    apps.get_model("detection", "StageRun").objects.filter(lane="origin").update(lane="slow")


class Migration(migrations.Migration):
    dependencies = [
        ("detection", "0013_same_file_without_constraint"),
    ]

    operations = [
        migrations.RunPython(to_the_lane_of_its_own, back),
        migrations.RemoveField(model_name="idempotentrequest", name="status"),
        migrations.RemoveField(model_name="idempotentrequest", name="headers"),
    ]
