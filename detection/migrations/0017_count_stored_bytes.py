"""Gives the files that are stored already their sizes, and each organisation the sum of its own.

Asks the storage for each file once. A file that is gone, or cannot be asked, takes no room.
"""

from django.db import migrations
from django.db.models import Sum

AT_ONCE = 1000  # rows in memory
FILES = (
    ('Detection', 'stored_bytes', ('original', 'preview', 'thumbnail'), 'organisation'),
    ('Artefact', 'stored_bytes', ('file',), 'detection__organisation'),
    ('Batch', 'archive_bytes', ('archive',), 'organisation'),
)


def size_of(file):
    try:
        return file.size if file else 0
    except (OSError, ValueError):
        return 0


def pages(model, names):
    """All rows, the trash included, in pieces by their keys."""
    rows = model._base_manager.order_by('pk').only(*names)
    page = list(rows[:AT_ONCE])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:AT_ONCE])


def measure(model, column, names):
    for page in pages(model, names):
        for row in page:
            setattr(row, column, sum(size_of(getattr(row, name)) for name in names))
        model._base_manager.bulk_update([row for row in page if getattr(row, column)], [column])


def count(apps, schema_editor):
    totals = {}
    for name, column, names, owner in FILES:
        model = apps.get_model('detection', name)
        measure(model, column, names)
        rows = model._base_manager.order_by().values_list(owner)
        for organisation, total in rows.annotate(total=Sum(column)):
            totals[organisation] = totals.get(organisation, 0) + total
    use = apps.get_model('accounts', 'StorageUse')
    use.objects.bulk_create(
        [use(organisation_id=organisation, bytes=total) for organisation, total in totals.items()],
        update_conflicts=True,
        unique_fields=['organisation'],
        update_fields=['bytes'],
    )


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_storage_quota'),
        ('detection', '0016_stored_bytes'),
    ]

    operations = [migrations.RunPython(count, migrations.RunPython.noop, elidable=True)]
