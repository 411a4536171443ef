"""A model's card as a page: limits first. Reads files only, never a model library."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from mlcore import registry
from mlcore.errors import ModelUnavailable

METRICS = {
    "accuracy": ("Accuracy", "share of images that got the right answer"),
    "precision": ("Precision", "of those called AI-generated, the share that were"),
    "recall": ("Recall", "of those made by AI, the share that was found"),
    "f1": ("F1", "precision and recall in one number"),
    "auroc": ("AUROC", "how well the score puts AI images above photos; 0.5 is chance"),
    "ece": ("Calibration error", "how far the confidence is from how often it is right; 0 is best"),
}
CLASSES = {"real": "Real photo", "fake": "AI-generated"}


@require_safe
@login_required
def card(request: HttpRequest, name: str) -> HttpResponse:
    content = _card(name)
    context = {
        "card": content,
        "metrics": _metrics(content.get("metrics") or {}),
        "confusion": _confusion((content.get("metrics") or {}).get("confusion") or {}),
        "data": _rows(content.get("data")),
        "training": _rows(content.get("training")),
        "thresholds": _rows(content.get("thresholds")),
        "has_curves": (registry.folder(name) / "curves.png").is_file(),
    }
    return render(request, "detection/model.html", context)


@require_safe
@login_required
def curves(request: HttpRequest, name: str) -> HttpResponse:
    """The learning curves that training drew."""
    content = _card(name)
    path = registry.folder(name) / "curves.png"
    if not path.is_file():
        raise Http404("This model came without learning curves.")
    etag = quote_etag(f"{content['sha256'][:16]}-{path.stat().st_mtime_ns}")
    response = get_conditional_response(request, etag=etag)
    response = response or HttpResponse(path.read_bytes(), content_type="image/png")
    response["ETag"], response["Cache-Control"] = etag, "private, no-cache"
    return response


def _card(name: str) -> dict[str, Any]:
    try:
        return registry.card(name)
    except ModelUnavailable as error:
        raise Http404(str(error)) from None


def _metrics(found: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"label": label, "meaning": meaning, "value": f"{found[key]:.4f}"}
        for key, (label, meaning) in METRICS.items()
        if isinstance(found.get(key), int | float)
    ]


def _confusion(found: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each truth: its name and the numbers of answers, real first."""
    rows = [(CLASSES[key], found.get(key.upper())) for key in CLASSES]
    return [
        {"truth": truth, "counts": [row.get(key, 0) for key in CLASSES]}
        for truth, row in rows
        if isinstance(row, dict)
    ]


def _rows(found: Any) -> list[tuple[str, str]]:
    """Any part of a card as label and value; what is nested in it by its own labels."""
    if not isinstance(found, dict):
        return [("", str(found))] if found else []
    rows: list[tuple[str, str]] = []
    for key, value in found.items():
        label = str(key).replace("_", " ")
        if isinstance(value, dict):
            rows += [(f"{label}: {inner}".rstrip(": "), text) for inner, text in _rows(value)]
        else:
            rows.append((label, _plain(value)))
    return rows


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
