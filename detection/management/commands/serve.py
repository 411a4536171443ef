"""``manage.py serve``: the whole product in one go, from migration to a clean stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import tempfile
from argparse import ArgumentParser
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from cifake_site.connections import (
    BoundedHttp,
    BoundedWebSocket,
    Limits,
    Room,
    State,
    raise_file_limit,
)

STOP_SECONDS = 5  # for requests under way


class Server(uvicorn.Server):
    """Says where it is once it is there, and sleeps while nobody asks: uvicorn wakes ten times a second."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self.server_state = State(Room(Limits.from_settings()))
        self.address = address
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            print(f"CIFAKE is ready: open {self.address} in your browser. Stop with Ctrl-C.", flush=True)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:  # by a signal that came before
            await self._ending.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)


class Command(BaseCommand):
    help = "Serves web, WebSocket and the inference consumer with its model processes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000, help="0 takes any free port.")
        parser.add_argument("--no-consumer", action="store_true", help="Run `inference_consumer` elsewhere.")
        parser.add_argument("--no-migrate", action="store_true", help="Leave the database as it is.")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        if not options["no_migrate"]:
            call_command("migrate", interactive=False, verbosity=0)
        from cifake_site.asgi import build

        raise_file_limit()
        tempfile.tempdir = str(settings.FILE_UPLOAD_TEMP_DIR)  # where Django keeps bodies that come in
        listener = _listen(host, port)
        config = uvicorn.Config(
            build(consumer=not options["no_consumer"]),
            http=BoundedHttp,
            ws=BoundedWebSocket,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # uvicorn would believe whoever is on this machine: TRUSTED_PROXIES decides
            ws_max_size=64 * 1024,
            ws_per_message_deflate=False,  # it takes more memory than all else that a socket needs
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._serve(Server(config, _address(host, listener)), listener)

    def _serve(self, server: Server, listener: socket.socket) -> None:
        # uvicorn raises the signal once more after its clean end: that one is for nobody.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, lambda number, frame: None)
        server.run(sockets=[listener])
        if not server.started:
            raise CommandError("The server did not start: see the messages above.")
        self.stdout.write("Stopped.")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise CommandError(
            f"Cannot listen on {host}, port {port} ({error.strerror or error}): choose another with --port."
        ) from error


def _address(host: str, listener: socket.socket) -> str:
    """By name where it can be: passkeys belong to domains, and an IP address is none (WebAuthn, 5.1.2)."""
    local = ("0.0.0.0", "127.0.0.1", "::", "::1")
    shown = "localhost" if host in local else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{listener.getsockname()[1]}/"
