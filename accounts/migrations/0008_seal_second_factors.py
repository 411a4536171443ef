"""Secrets of authenticator apps and recovery codes, which stood in plain text, are encrypted."""

from django.db import migrations

from accounts import sealing

PURPOSE = "second factors"


def seal(apps, schema_editor):
    _each(apps, lambda text: sealing.seal(text, PURPOSE))


def unseal(apps, schema_editor):
    _each(apps, lambda text: sealing.unseal(text, PURPOSE))


def _each(apps, change):
    for row in apps.get_model("mfa", "Authenticator").objects.exclude(type="webauthn").iterator():
        for name in ("secret", "seed"):
            if name in row.data:
                row.data[name] = change(row.data[name])
        if "migrated_codes" in row.data:
            row.data["migrated_codes"] = [change(code) for code in row.data["migrated_codes"]]
        row.save(update_fields=["data"])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_look_through"), ("mfa", "0003_authenticator_type_uniq")]

    operations = [migrations.RunPython(seal, unseal)]
