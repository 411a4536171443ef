"""Models as pages: limits first. Reads files only, never a model library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from detection import active
from detection import model_figures as figures
from mlcore import registry
from mlcore.errors import ModelUnavailable


@require_safe
@login_required
def models(request: HttpRequest) -> HttpResponse:
    """All models that are here, beside one another, and which of them answers."""
    return render(request, "detection/models.html", {"active": active.name(), **_comparison()})


@require_safe
@login_required
def card(request: HttpRequest, name: str) -> HttpResponse:
    content = _card(name)
    context = {
        "card": content,
        "active": active.name(),
        "headlines": figures.headlines(content),
        "metrics": figures.metrics(content),
        "confusion": figures.confusion(content),
        "robustness": figures.robustness(content),
        "rates": figures.error_rates(content) if content.get("operating_points") else [],
        "data": figures.rows(content.get("data")),
        "training": figures.rows(content.get("training")),
        "thresholds": figures.rows(content.get("thresholds")),
        "calibration": figures.rows(content.get("calibration")),
        "pictures": _pictures(name),
        **_comparison(),
    }
    return render(request, "detection/model.html", context)


@require_safe
@login_required
def picture(request: HttpRequest, name: str, picture: str) -> HttpResponse:
    """One of the pictures that were drawn when the model was published."""
    content = _card(name)
    path = _picture(name, picture)
    if picture not in figures.PICTURES or not path.is_file():
        raise Http404("This model came without that picture.")
    etag = quote_etag(f"{content['sha256'][:16]}-{path.stat().st_mtime_ns}")
    response = get_conditional_response(request, etag=etag)
    response = response or HttpResponse(path.read_bytes(), content_type="image/png")
    response["ETag"], response["Cache-Control"] = etag, "private, no-cache"
    return response


def error_rates(chosen: str) -> list[dict[str, Any]]:
    """What an organisation may choose from, with what each came to with the active model."""
    rows = figures.error_rates(_or_none(registry.card, active.name()) or {})
    return [{**row, "checked": row["value"] == chosen} for row in rows]


def _pictures(name: str) -> list[dict[str, str]]:
    return [
        {"key": key, "title": title, "words": words, "alt": alt}
        for key, (title, words, alt) in figures.PICTURES.items()
        if _picture(name, key).is_file()
    ]


def _picture(name: str, key: str) -> Path:
    return registry.folder(name) / f"{key}.png"


def _comparison() -> dict[str, Any]:
    cards = [content for name in registry.names() if (content := _or_none(registry.card, name))]
    return {"comparison": figures.comparison(cards)}


def _or_none(read: Callable[[str], dict[str, Any]], name: str) -> dict[str, Any] | None:
    """A card that cannot be read is no reason to show none of the others."""
    try:
        return read(name)
    except ModelUnavailable:
        return None


def _card(name: str) -> dict[str, Any]:
    try:
        return registry.card(name)
    except ModelUnavailable as error:
        raise Http404(str(error)) from None
