"""What one WebSocket has been told, and what it has still to be told. Reads only; no sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.access import Principal
from detection import selectors
from detection.models import Detection

NEWEST = 100  # detections of an organisation that the timer re-reads
MAX_WATCHED = 500  # ids that one browser may ask for

Message = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """Versions as they were at one moment: of ``ids``, as far as they are there, and of others."""

    ids: frozenset[UUID]
    versions: dict[UUID, int]


@dataclass
class Watch:
    """``pk``: the one detection watched, or None for the organisation's stream."""

    principal: Principal
    pk: UUID | None = None
    sent: dict[UUID, int] = field(default_factory=dict)
    watched: set[UUID] = field(default_factory=set)
    render: Callable[[Detection], dict[str, Any]] = selectors.state

    def start(self) -> list[Message]:
        """What a page that joins now may have missed: the one detection, or all that is under way.

        Raises:
            Http404: there is no such detection in the organisation.
        """
        if self.pk is not None:
            self.watched = {self.pk}
            return self.say([selectors.get(self.principal, self.pk)])
        self.sent = selectors.versions(self.principal, limit=NEWEST)
        return self.say(selectors.unfinished(self.principal, NEWEST))

    def newer(self, ids: Iterable[UUID]) -> list[Message]:
        """The states of those that changed since they were last sent."""
        found = selectors.with_ids(self.principal, ids)
        return self.say([each for each in found if each.version > self.sent.get(each.pk, 0)])

    def ask(self, ids: Iterable[UUID]) -> list[Message]:
        """The states of all ``ids`` now; they are re-read from here on. Unknown ones are gone."""
        wanted = set(ids)
        self.watched |= set(list(wanted)[: MAX_WATCHED - len(self.watched)])
        found = selectors.with_ids(self.principal, wanted)
        return self.say(found) + self._gone(wanted - {each.pk for each in found})

    def reread(self) -> list[Message]:
        """Whatever pushes were lost: what moved, what is new, and what is gone."""
        limit = NEWEST if self.pk is None else 0
        ids = frozenset(self.watched)
        return self.catch_up(Look(ids, selectors.versions(self.principal, limit=limit, ids=ids)))

    def catch_up(self, look: Look) -> list[Message]:
        """What ``look`` knows and nobody was told of."""
        # Of what is not looked at again nothing is kept: a stream may be open for months.
        self.sent = {pk: version for pk, version in self.sent.items() if pk in look.versions}
        return self.newer(self._moved(look)) + self._gone((self.watched & look.ids) - set(look.versions))

    def differs(self, look: Look) -> bool:
        """Whether there is anything to catch up with. Changes nothing: a read may be at work in a thread."""
        ours = look.ids.intersection(list(self.watched))
        return bool(self._moved(look)) or not ours <= look.versions.keys()

    def _moved(self, look: Look) -> set[UUID]:
        ours = look.versions.keys() if self.pk is None else {self.pk} & look.versions.keys()
        return {pk for pk in ours if look.versions[pk] > self.sent.get(pk, 0)}

    def say(self, detections: Iterable[Detection]) -> list[Message]:
        """Their states as messages; what is told is remembered."""
        messages = []
        for each in detections:
            self.sent[each.pk] = each.version
            state = self.render(each)
            messages.append({"type": "detection", "version": each.version, "detection": state})
        return messages

    def _gone(self, ids: set[UUID]) -> list[Message]:
        self.watched -= ids
        return [{"type": "deleted", "id": str(each)} for each in ids]


def asked_ids(text: str | None) -> set[UUID]:
    """The ids of a ``{"type": "watch", "ids": […]}`` message; none of anything else."""
    try:
        message = json.loads(text or "")
        if message["type"] != "watch":
            return set()
        return {UUID(each) for each in message["ids"][:MAX_WATCHED]}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return set()  # a browser's message is a request, never a reason to fail
