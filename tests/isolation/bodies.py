"""Bodies with which a write gets through where it may: a gate is not to be hidden by an empty form."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from tests.hostile import png
from tests.zips import zipped

PLACE = "https://93.184.215.14/"  # nobody is asked: what is to be sent or fetched only waits
KEY = {"name": "Desk", "scopes": ["detections:read"], "per_minute": 60}
HOOK = {"url": PLACE, "events": ["detection.completed"]}


def of(method: str, address: str) -> dict[str, Any]:
    """What goes with a request, as ``django.test.Client.generic`` and its like take it."""
    if method in ("GET", "HEAD"):
        return {"data": QUERIES.get(address, {})}
    if address.startswith("api/v1/"):
        found = JSON.get((method, address.removeprefix("api/v1/")), {})
        uploads = address == "api/v1/detections/"
        return {"data": {"file": picture()}} if uploads else _json(found)
    if method != "POST":
        return {}
    return {"data": _form(address.removeprefix("o/<slug:organisation>/"))}


def picture() -> SimpleUploadedFile:
    return SimpleUploadedFile("cat.png", png())


def _json(body: dict[str, Any]) -> dict[str, Any]:
    return {"data": body, "content_type": "application/json"}


def _form(address: str) -> dict[str, Any]:
    if address == "detections/":
        return {"files": picture()}
    if address == "settings/logo/":
        return {"logo": picture()}
    if address == "batches/":
        return {"archive": SimpleUploadedFile("cats.zip", zipped({"cat.png": png()}))}
    return FORMS.get(address, {})


QUERIES = {
    "admin/autocomplete/": {"app_label": "accounts", "model_name": "membership", "field_name": "user"},
}
FORMS: dict[str, dict[str, Any]] = {
    "detections/<uuid:pk>/explain/": {"stage": "lime"},
    "keys/new/": {**KEY, "term": "90"},
    "keys/<uuid:pk>/": KEY,
    "keys/<uuid:pk>/rotate/": {"overlap": "24", "term": "90"},
    "members/<int:pk>/role/": {"role": "auditor"},
    "members/invite/": {"emails": "grace@example.org", "role": "member"},
    "settings/": {"name": "The Herald", "time_zone": "UTC"},
    "settings/answers/": {"error_rate": "0.005"},
    "settings/domains/": {"domain": "sealed.example", "role": "member"},
    "webhooks/new/": HOOK,
    "webhooks/<uuid:pk>/edit/": HOOK,
    "webhooks/<uuid:pk>/switch/": {"active": "false"},
}
JSON: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "batches/"): {"urls": [PLACE]},
    ("POST", "invitations/"): {"email": "grace@example.org"},
    ("POST", "keys/"): {"name": "Desk", "scopes": ["keys:write"]},  # no more than its maker has
    ("PATCH", "keys/<uuid:pk>/"): {"name": "Picture desk"},
    ("PATCH", "members/<int:pk>/"): {"role": "auditor"},
    ("PATCH", "organisation/"): {"name": "The Herald"},
    ("POST", "webhooks/"): HOOK,
    ("PATCH", "webhooks/<uuid:pk>/"): {"description": "For the desk"},
}
