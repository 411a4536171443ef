"""What drf-spectacular is told, and what the API says of itself."""

from __future__ import annotations

from typing import Any

SETTINGS: dict[str, Any] = {
    "TITLE": "CIFAKE API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "cifake_site.openapi.complete",
    ],
    "LICENSE": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
    "DESCRIPTION": (
        "Tells whether an image was probably made by AI, and why.\n\n"
        "Every request carries an API key of your organisation: `Authorization: Bearer cfk_…`. Keys are made "
        "on the organisation's page of keys, or by another key with the scope `keys:write`.\n\n"
        "Errors are problem details (RFC 9457) whose `type` is stable. Every answer tells in its `RateLimit` "
        "header how many requests are left; over the limit comes 429 with `Retry-After`. A `POST` with an "
        "`Idempotency-Key` may be sent again: it is done once."
    ),
    "TAGS": [
        {"name": "Detections", "description": "Check an image, wait for its result, read it, delete it."},
        {"name": "Batches", "description": "Up to 10,000 images at once, as a zip or a list of addresses."},
        {"name": "Models", "description": "The models that are here, their limits first."},
        {"name": "Organisation", "description": "The organisation that the key belongs to."},
        {"name": "Members", "description": "Who belongs to the organisation, and as what."},
        {"name": "Invitations", "description": "Links by e-mail with which people become members."},
        {"name": "Keys", "description": "API keys. A key gives no more than it has itself."},
        {"name": "Webhooks", "description": "Addresses of yours that are told what happens."},
        {"name": "Usage", "description": "What was used."},
        {"name": "Activity", "description": "Who did what in the organisation."},
    ],
}
