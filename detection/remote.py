"""HTTP to addresses that members choose: webhooks, and images named by their address.

Nothing here trusts the address, the name servers, or the server that answers. A name is resolved once,
every address it has is checked, and the connection goes to one of those very addresses, so that a
second answer of the name servers changes nothing (DNS rebinding). A redirect is a new address and is
checked as one. See :mod:`detection.addresses` for what is refused.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from urllib.parse import unquote, urljoin, urlsplit

from django.conf import settings

from detection import addresses
from detection.addresses import IPAddress, Target
from detection.remote_connection import PIECE, Connection, Deadline, Resolve, addresses_of
from detection.remote_errors import RemoteError, RemoteFailed, RemoteRefused
from mlcore.imaging import size_words

__all__ = [
    "Answer",
    "Limits",
    "RemoteError",
    "RemoteFailed",
    "RemoteRefused",
    "Rules",
    "check",
    "fetch_image",
    "open_url",
]

MIB = 1024 * 1024
REDIRECTS = {301, 302, 303, 307, 308}
CHECK_SECONDS = 5.0
LATER = {408, 421, 425, 429}  # beside 5xx: a later try may work
IMAGES = ("image/", "application/octet-stream", "binary/octet-stream")  # stores name no better, often


@dataclass(frozen=True)
class Limits:
    """``seconds`` are for all of it. ``types``: beginnings of the content types that are let in; none: all.

    ``cut``: of a longer body the first ``bytes`` are given, instead of a refusal.
    """

    bytes: int
    seconds: float = 30.0
    header_bytes: int = 64 * 1024
    redirects: int = 0
    types: tuple[str, ...] = ()
    cut: bool = False


@dataclass(frozen=True)
class Answer:
    """``headers`` have names in small letters. A redirect is an answer where none may be followed."""

    status: int
    headers: dict[str, str]
    body: bytes


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True)
class Rules:
    """What tests exchange, so that all the rest of the way is the real one."""

    permitted: Callable[[IPAddress], bool] = addresses.is_public
    ports: frozenset[int] = frozenset({80, 443})
    resolve: Resolve = field(default=lambda *args, **kwargs: socket.getaddrinfo(*args, **kwargs))
    context: Callable[[], ssl.SSLContext] = _context


def rules() -> Rules:
    """Those of this site's settings."""
    permitted = addresses.is_public_or_private if settings.REMOTE_ALLOW_PRIVATE else addresses.is_public
    return Rules(permitted, frozenset({80, 443, *settings.REMOTE_PORTS}))


def open_url(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    limits: Limits,
    by: Rules | None = None,
) -> Answer:
    """Sends one request, and follows ``limits.redirects`` redirects of a GET.

    Raises:
        RemoteRefused: this address, or what is there, will not be taken at another time either.
        RemoteFailed: no name, no connection, no certificate, no answer in time, or a broken one.
    """
    target, follow = addresses.parse(url), limits.redirects if method == "GET" else 0
    order = _Order(method, body, headers or {}, limits, by or rules(), Deadline(limits.seconds))
    for left in range(follow, -1, -1):
        answer = _exchange(target, order)
        if not follow or answer.status not in REDIRECTS or "location" not in answer.headers:
            return answer
        if left:
            onward = _redirected(target, answer.headers["location"])
            if onward.origin != target.origin:
                order = replace(order, headers={})  # they were meant for the one server
            target = onward
    raise RemoteRefused("too_many_redirects", f"The address leads on more than {follow} times.")


def check(url: str, *, by: Rules | None = None) -> None:
    """Whether an address may be asked as things are now. Asks the name servers, sends nothing.

    Raises:
        RemoteRefused: the address will not be taken at another time either.
        RemoteFailed: there is no such name, or the name servers do not answer.
    """
    _checked(addresses.parse(url), by or rules(), Deadline(CHECK_SECONDS))


def fetch_image(url: str, *, by: Rules | None = None) -> tuple[bytes, str]:
    """A file's bytes, and a name for it: the end of its address.

    Raises:
        RemoteRefused: as ``open_url``; also no image, a larger one than may be sent in, or none there.
        RemoteFailed: as ``open_url``; also a server that says that it is in trouble.
    """
    limits = Limits(settings.MAX_UPLOAD_BYTES, settings.REMOTE_SECONDS, redirects=5, types=IMAGES)
    headers = {"Accept": "image/*, application/octet-stream;q=0.5"}
    answer = open_url("GET", url, headers=headers, limits=limits, by=by)
    if answer.status != 200:
        later = answer.status >= 500 or answer.status in LATER
        raise (RemoteFailed if later else RemoteRefused)(
            f"status_{answer.status}", f"The server answered with {answer.status} instead of an image."
        )
    return answer.body, unquote(urlsplit(url).path.rpartition("/")[2]) or "image"


@dataclass(frozen=True)
class _Order:
    """What stays the same from redirect to redirect."""

    method: str
    body: bytes | None
    headers: Mapping[str, str]
    limits: Limits
    rules: Rules
    deadline: Deadline


def _exchange(target: Target, order: _Order) -> Answer:
    found = _checked(target, order.rules, order.deadline)
    context = order.rules.context() if target.scheme == "https" else None
    connection = Connection(target, found, order.deadline, context)
    try:
        with _in_sentences(target.host, order.deadline):
            connection.connect()
            return _answered(connection, target, order)
    finally:
        connection.end()


@contextmanager
def _in_sentences(host: str, deadline: Deadline) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise deadline.passed() from None
    except ssl.SSLCertVerificationError as error:
        why = f"The certificate of {host} is not valid: {error.verify_message}."
        raise RemoteFailed("bad_certificate", why) from None
    except ssl.SSLError:
        raise RemoteFailed("tls", f"No secure connection to {host} could be made.") from None
    except (http.client.RemoteDisconnected, http.client.IncompleteRead):
        raise _cut_short() from None
    except http.client.HTTPException:
        raise RemoteFailed("bad_answer", f"What {host} answered is not HTTP.") from None
    except OSError:
        raise RemoteFailed("broken", f"{host} broke the connection off.") from None


def _checked(target: Target, rules: Rules, deadline: Deadline) -> list[IPAddress]:
    """The host's addresses, all of which may be asked.

    The sentence is the same whatever the address: it tells nobody what our network looks like.
    """
    if target.port not in rules.ports:
        names = ", ".join(map(str, sorted(rules.ports)))
        raise RemoteRefused("bad_port", f"Port {target.port} may not be asked. These may: {names}.")
    found = addresses_of(target, deadline, rules.resolve)
    if not all(rules.permitted(address) for address in found):
        raise RemoteRefused(
            "forbidden_address", f"{target.host} is not an address on the public Internet. Use one that is."
        )
    return found


def _answered(connection: Connection, target: Target, order: _Order) -> Answer:
    limits, host = order.limits, target.host
    refusal = RemoteRefused("too_large_headers", f"The headers that {host} answers with are too large.")
    connection.allow(limits.header_bytes, refusal)
    own = {"User-Agent": "cifake", "Accept-Encoding": "identity", "Connection": "close"}
    connection.request(order.method, target.path, order.body, {**own, **order.headers})
    response = connection.getresponse()
    found = {name.lower(): value for name, value in response.getheaders()}
    if response.status in REDIRECTS:
        return Answer(response.status, found, b"")
    # Twice, for the lengths of chunks come on top; what is more than that is no answer, but an attack.
    connection.allow(2 * limits.bytes + MIB, _too_large(limits))
    return Answer(response.status, found, _body(response, found, limits))


def _body(response: http.client.HTTPResponse, headers: Mapping[str, str], limits: Limits) -> bytes:
    if response.status == 200 and limits.types:
        _check_type(headers, limits)
    if not limits.cut and (response.length or 0) > limits.bytes:
        raise _too_large(limits)
    body = bytearray()
    while len(body) <= limits.bytes and (piece := response.read(min(PIECE, limits.bytes + 1 - len(body)))):
        body += piece
    if len(body) <= limits.bytes:
        if response.length:  # what was announced and did not come
            raise _cut_short()
    elif not limits.cut:
        raise _too_large(limits)
    return bytes(body[: limits.bytes])


def _check_type(headers: Mapping[str, str], limits: Limits) -> None:
    """What has no type is let in: the bytes will tell."""
    kind = headers.get("content-type", "").strip().lower()
    if kind and not kind.startswith(limits.types):
        name = kind.partition(";")[0][:60]
        raise RemoteRefused("wrong_type", f"There is no image at this address, but {name}.")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RemoteRefused("compressed", "The server sends this image compressed, though asked not to.")


def _too_large(limits: Limits) -> RemoteRefused:
    return RemoteRefused("too_large", f"The file there is larger than {size_words(limits.bytes)}.")


def _cut_short() -> RemoteFailed:
    return RemoteFailed("cut_short", "The server broke off in the middle of its answer.")


def _redirected(target: Target, location: str) -> Target:
    onward = addresses.parse(urljoin(target.url, location))
    if target.scheme == "https" and onward.scheme == "http":
        raise RemoteRefused("insecure_redirect", "The address leads from https to http, which is not safe.")
    return onward
