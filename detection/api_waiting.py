"""``?wait=SECONDS``: the answer to a submission is kept back until the result is there."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from accounts import access
from accounts.access import Principal
from detection import afterwards, places, push
from detection.afterwards import Message, Send
from detection.joining import DECIDING
from detection.listening import listening
from detection.models import Detection, StageRun

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # the fallback where a push is lost


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True)
class Wait:
    """For ``detection.afterwards``. ``answer`` gives the answer as things then are; ``done``: until all
    stages have reported, instead of until the verdict is announced."""

    principal: Principal
    pk: UUID
    seconds: float
    done: bool
    answer: Callable[[], Answer]

    async def __call__(self, held: list[Message], gone: asyncio.Task[None], send: Send) -> None:
        """Sends the result if it comes in time, else what Django has answered."""
        try:
            places.require(self.principal)
            with places.taken(self.principal):
                messages = await self._result(held, gone) or held
        except places.Full:  # what was sent is in: the client asks for the result later, as after the time
            messages = held
        except Exception:  # what Django said stays true
            logger.exception("A request could not wait for its result.")
            messages = held
        for message in messages:
            await send(message)

    async def _result(self, held: list[Message], gone: asyncio.Task[None]) -> list[Message] | None:
        end = time.monotonic() + self.seconds
        async with listening(push.detection_group(self.pk)) as ear:
            gone.add_done_callback(lambda task: ear.news.set())
            while not gone.done():
                if found := await afterwards.read(self._look, held):
                    return found
                left = end - time.monotonic()
                if left <= 0:
                    return None
                await ear.wait(min(left, LOOK_SECONDS))
        return None

    def _look(self, held: list[Message]) -> list[Message] | None:
        """In one go: another thread and connection for the answer would take as long as the look."""
        return self._better(held) if is_ready(self.principal, self.pk, self.done) else None

    def _better(self, held: list[Message]) -> list[Message]:
        answer = self.answer()
        body = json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {**answer.headers, "Content-Length": str(len(body))}
        start = afterwards.start(held, answer.status, headers, without={"Retry-After"})
        return [start, {"type": "http.response.body", "body": body}]


def is_ready(principal: Principal, pk: UUID, done: bool) -> bool:
    """Also where there is nothing left to wait for: no verdict will come, or the detection is gone."""
    unfinished = StageRun.objects.filter(detection=OuterRef("pk")).exclude(state__in=StageRun.FINAL)
    undecided = Exists(unfinished.filter(stage__in=DECIDING))
    mine = access.scope(principal, Detection.objects.annotate(undecided=undecided))
    row = mine.filter(pk=pk).values_list("undecided", "completed_at").first()
    return row is None or row[1] is not None or not (row[0] or done)


def ready_now(state: dict[str, Any], done: bool) -> bool:
    """Whether a state answers the question already.

    A row may have been read a moment before its stages: without a verdict it is looked at again.
    """
    if done or not state["verdict"]:
        return state["status"] == "failed" or bool(state["verdict"] and state["status"] == "done")
    return True
