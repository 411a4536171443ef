"""Real servers on loopback that answer as they are told, byte by byte, and rules that let them be asked."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from detection import remote
from detection.remote import RemoteError, Rules

Handler = Callable[[socket.socket, bytes], None]  # gets the connection and the request's head
HOST = "pictures.test"
QUICK = 0.5  # seconds, for servers that would never come to an end


class RawServer:
    """Hands each connection, once the request's head has come, to ``handler`` in a thread of its own."""

    def __init__(self, handler: Handler, context: ssl.SSLContext | None = None) -> None:
        self.handler, self.context = handler, context
        self.heads: list[bytes] = []
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, path: str = "/cat.jpg", host: str = HOST) -> str:
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    def close(self) -> None:
        self.over.set()
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:
            connection = self.context.wrap_socket(plain, server_side=True) if self.context else plain
            head = b""
            while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                head += piece
            self.heads.append(head)
            self.handler(connection, head)
            if self.context:
                connection.unwrap()


@contextmanager
def serving(handler: Handler | bytes, context: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    server = RawServer(answering(handler) if isinstance(handler, bytes) else handler, context)
    try:
        yield server
    finally:
        server.close()


def answering(data: bytes) -> Handler:
    return lambda connection, head: connection.sendall(data)


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """``content_length=…`` replaces the true one; "" leaves it out."""
    fields = {"content_type": "image/jpeg", "content_length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def loopback(*servers: RawServer, names: dict[str, list[str]] | None = None, **others) -> Rules:
    """``HOST`` is 127.0.0.1, which alone may be asked, at these servers' ports."""
    known = {HOST: ["127.0.0.1"], **(names or {})}
    return Rules(
        permitted=lambda address: address == ipaddress.ip_address("127.0.0.1"),
        ports=frozenset(server.port for server in servers),
        resolve=resolver(known),
        **others,
    )


def resolver(known: dict[str, list[str]]):
    def resolve(host, port, **kwargs):
        found = known.get(host)
        if found is None:
            return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, **kwargs)
        return [entry for each in found for entry in socket.getaddrinfo(each, port, **kwargs)]

    return resolve


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for ``host``, and a client's that trusts it alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(private + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


def code_of(url: str, rules: Rules | None = None) -> tuple[type[RemoteError], str]:
    with pytest.raises(RemoteError) as caught:
        remote.fetch_image(url, by=rules)
    assert str(caught.value).endswith(".")
    return type(caught.value), caught.value.code


def refused(handler, **rules) -> tuple[type[RemoteError], str]:
    with serving(handler) as server:
        return code_of(server.url(), loopback(server, **rules))
