"""Many rows, each with values of its own, in as few statements as possible.

One UPDATE a row costs more than half of what saving a batch takes; so what all rows share is
written by one statement, and only what differs by Django's bulk_update.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db.models import Model

Values = dict[str, Any]


def update_rows(model: type[Model], rows: Mapping[Any, Values]) -> None:
    """Writes ``rows[pk]`` into the row with that primary key. To be called in a transaction."""
    alike: dict[tuple[str, ...], dict[Any, Values]] = defaultdict(dict)
    for pk, values in rows.items():
        alike[tuple(values)][pk] = values
    for columns, group in alike.items():
        _update_alike(model, columns, group)


def _update_alike(model: type[Model], columns: tuple[str, ...], rows: dict[Any, Values]) -> None:
    first = next(iter(rows.values()))
    shared = [each for each in columns if all(values[each] == first[each] for values in rows.values())]
    own = [each for each in columns if each not in shared]
    manager = model._default_manager
    if shared:
        manager.filter(pk__in=list(rows)).update(**{each: first[each] for each in shared})
    if own:
        manager.bulk_update(
            [model(pk=pk, **{each: values[each] for each in own}) for pk, values in rows.items()], own
        )
