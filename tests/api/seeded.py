"""One row of each kind in an organisation, so that addresses with an id lead somewhere."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from accounts import keys
from accounts.invitations import hashed
from accounts.models import Invitation, Membership, User
from detection import services
from detection.models import Batch, Delivery, Webhook
from tests.detection.conftest import finish
from tests.hostile import png


def of(ids: dict[str, str], path: str, name: str) -> str:
    """What to put for a variable of a path: ids by what the path is about, the others by their name."""
    return ids[path.removeprefix("/api/v1/").split("/")[0] if name == "id" else name]


def seed(principal: Any, name: str = "seeded") -> dict[str, str]:
    """``name`` tells the rows of several organisations apart. Gives the ids, as ``of`` takes them."""
    organisation = principal.organisation
    user = User.objects.create_user(f"{name}@example.org", None)
    member = Membership.objects.create(organisation=organisation, user=user)
    invitation = Invitation.objects.create(
        organisation=organisation, email="ada@example.org", token_hash=hashed(name), expires_at=timezone.now()
    )
    key, _ = keys.make(principal=principal, name="Desk", scopes=["usage:read"])
    webhook = Webhook.objects.create(
        organisation=organisation, url="https://example.org/", secret="whsec_eHh4", events=["webhook.test"]
    )
    delivery = Delivery.objects.create(webhook=webhook, event_id="msg_1", event="webhook.test", body="{}")
    batch = Batch.objects.create(organisation=organisation, total=1)
    detection = services.submit(principal=principal, data=png(), name=f"{name}.png")
    finish()
    found = {
        "members": member, "invitations": invitation, "keys": key, "webhooks": webhook,
        "delivery": delivery, "deliveries": delivery, "batches": batch, "detections": detection,
    }  # fmt: skip
    others = {"name": "cifake_resnet", "kind": "preview", "stage": "lime"}
    return {**{kind: str(row.pk) for kind, row in found.items()}, **others}
