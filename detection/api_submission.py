"""How the API takes an image in: once for each Idempotency-Key, and kept back where the client waits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import storage, usage
from accounts.access import Principal
from accounts.api_base import query
from detection import idempotency, selectors, services
from detection.afterwards import hand_over
from detection.api_state import api_state
from detection.api_waiting import Answer, Wait, ready_now
from detection.idempotency import Once
from detection.models import Detection
from detection.remote import fetch_image
from detection.serializers import Order, SubmitQuery
from detection.turns import Turns

RETRY_AFTER = "1"  # seconds; most images take less
# At once in one process: each keeps an image in memory, for as long as its server likes.
FETCHES, FETCHES_EACH, FETCHES_WAITING = 16, 8, (8, 16)
TURN_SECONDS = 20.0
BUSY = "Too many images are being fetched by their addresses just now."
FETCHING = Turns(FETCHES, FETCHES_EACH, FETCHES_WAITING, BUSY)
Also = Callable[[Detection], None]


def take_in(principal: Principal, data: Any, also: Also) -> Detection:
    """A validated ``Order``: fetches what has to be fetched, and submits it.

    Raises:
        ImageRefused, RemoteRefused, RemoteFailed, QuotaExceeded, StorageFull: see services.submit,
            remote.fetch_image.
        Busy: too many images are being fetched, or decoded.
    """
    if "url" not in data:
        return _submit(principal, data, data["file"], data["file"].name or "", also)
    usage.require_room(principal)  # nobody's server is asked in vain
    storage.require_room(principal.organisation.pk)
    # Until it is stored: it waits in memory for its turn to be decoded.
    with FETCHING.turn(principal.organisation.pk, TURN_SECONDS):
        return _submit(principal, data, *fetch_image(data["url"]), also)


def _submit(principal: Principal, data: Any, content: Any, name: str, also: Also) -> Detection:
    said = services.Particulars(
        reference=data.get("reference", ""),
        metadata=data.get("metadata") or {},
        source_url=data.get("url", ""),
    )
    return services.submit(principal=principal, data=content, name=name, particulars=said, also=also)


def submitted(request: Request, principal: Principal, make: Callable[[Also], Detection]) -> Response:
    """Answers with what ``make`` makes, or made when this request came for the first time.

    202 with ``Location`` and ``Retry-After``; 201 where the result is there.
    """
    asked = query(request, SubmitQuery, also=())
    done = asked["until"] == "done"
    once = idempotency.begin(principal, request)
    pk, made = once.made, None
    if pk is None:
        with once:
            made = make(lambda detection: _begun(detection, once))
        pk = made.pk
    current = partial(_answer, request, principal, pk, done)
    answer = current(made)
    if answer.status == 202 and asked["wait"]:
        hand_over(request, Wait(principal, pk, asked["wait"], done, partial(_result, current)))
    return _response(answer)


def _begun(detection: Detection, once: Once) -> None:
    """In the transaction that makes it. What the first answer tells is read here, ahead of the commit:
    after it the lane begins, which reading all anew would hold up."""
    once.attach(detection)
    selectors.load_parts(detection)


def order(request: Request) -> Any:
    """The body, validated. Raises DRF's ValidationError."""
    found = Order(data=request.data)
    found.is_valid(raise_exception=True)
    return found.validated_data


def _answer(
    request: Request, principal: Principal, pk: UUID, done: bool, known: Detection | None = None
) -> Answer:
    state = api_state(known or selectors.get(principal, pk), request.build_absolute_uri)
    where = {"Location": request.build_absolute_uri(reverse("api_detection", args=[pk]))}
    return Answer(201 if ready_now(state, done) else 202, state, where)


def _result(current: Callable[[], Answer]) -> Answer:
    """After waiting. Where there is nothing to wait for any more, what there is is the result."""
    found = current()
    return Answer(201, found.body, found.headers)


def _response(answer: Answer) -> Response:
    headers = dict(answer.headers)
    if answer.status == 202:
        headers["Retry-After"] = RETRY_AFTER
    return Response(answer.body, answer.status, headers=headers)
