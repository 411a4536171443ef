"""One connection to an address that was checked, with an end to its time and to its bytes.

``http.client`` parses; it resolves nothing and follows nothing. A socket's own timeout starts anew
with every byte, so a server that drips could hold a thread for days: here every call on the socket
gets what is left of the time as a whole.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from detection.addresses import IPAddress, Target
from detection.remote_errors import RemoteFailed, RemoteRefused

CONNECT_SECONDS = 5.0  # for each of a host's addresses
PIECE = 64 * 1024

Resolve = Callable[..., list[Any]]  # as socket.getaddrinfo


class Deadline:
    """The end of the time for all of it, redirects included."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, more than none.

        Raises:
            RemoteFailed: the time is up.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.passed()
        return left

    def passed(self) -> RemoteFailed:
        return RemoteFailed("timeout", f"The server took longer than {self.seconds:.0f} seconds.")


class Connection(http.client.HTTPConnection):
    """Connects to ``addresses`` and to nothing else; the host's name is for TLS and the Host header."""

    def __init__(
        self, target: Target, addresses: list[IPAddress], deadline: Deadline, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.scheme == "https" else 80
        self.addresses, self.deadline, self.context = addresses, deadline, context
        self.metered: MeteredSocket | None = None

    def connect(self) -> None:
        plain = self._connected()
        try:
            ready = self._secured(plain) if self.context else plain
        except BaseException:
            plain.close()
            raise
        self.metered = MeteredSocket(ready, self.deadline)
        self.sock = self.metered

    def allow(self, size: int, spent: RemoteRefused) -> None:
        """``spent`` is raised once more than ``size`` bytes from now on have come."""
        assert self.metered
        self.metered.allowance, self.metered.spent = size, spent

    def end(self) -> None:
        """For good; ``close`` leaves the answer to be read."""
        if self.metered:
            self.metered.inner.close()

    def _connected(self) -> socket.socket:
        """The first of the addresses that lets us in."""
        for address in self.addresses:
            try:
                wait = min(self.deadline.left(), CONNECT_SECONDS)
                return socket.create_connection((str(address), self.port), wait)
            except OSError:
                continue
        raise RemoteFailed("unreachable", f"No connection to {self.host} could be made.")

    def _secured(self, plain: socket.socket) -> ssl.SSLSocket:
        assert self.context
        plain.settimeout(self.deadline.left())
        return self.context.wrap_socket(plain, server_hostname=self.host)


class MeteredSocket:
    """What ``http.client`` needs of a socket; ``allowance`` is how many bytes may still come in."""

    def __init__(self, inner: socket.socket, deadline: Deadline) -> None:
        self.inner, self.deadline = inner, deadline
        self.allowance = 0
        self.spent = RemoteRefused("too_large", "The server's answer is too large.")

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self.inner.settimeout(self.deadline.left())
            rest = rest[self.inner.send(rest[:PIECE]) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """The file made of it goes on reading, as a socket's does: see ``Connection.end``."""


class _Incoming(io.RawIOBase):
    def __init__(self, metered: MeteredSocket) -> None:
        self.metered = metered

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        metered = self.metered
        metered.inner.settimeout(metered.deadline.left())
        count = metered.inner.recv_into(buffer)
        metered.allowance -= count
        if metered.allowance < 0:
            raise metered.spent
        return count


def addresses_of(target: Target, deadline: Deadline, resolve: Resolve) -> list[IPAddress]:
    """Asks the name servers, once. In a thread of its own, for the question itself knows no time limit.

    Raises:
        RemoteFailed: no such host, or no answer in time.
    """
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(resolve(target.host, target.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not found:
        raise deadline.passed()
    if isinstance(found[0], Exception) or not found[0]:
        raise RemoteFailed("unknown_host", f"There is no server called {target.host}. Check the address.")
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found[0]))
