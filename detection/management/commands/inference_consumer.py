"""``manage.py inference_consumer``: the InferenceConsumer by itself, on any machine."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from detection.inference import LANES, InferenceConsumer


class Command(BaseCommand):
    help = "Runs queued examinations. Start as many as you like, beside `serve --no-consumer`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--lanes", default=",".join(LANES), help="Which lanes to work, by commas (default: %(default)s)."
        )

    def handle(self, *args: Any, lanes: str, **options: Any) -> None:
        names = [name.strip() for name in lanes.split(",") if name.strip()]
        if not names or set(names) - set(LANES):
            raise CommandError(f"--lanes takes names by commas, out of: {', '.join(LANES)}.")
        asyncio.run(self._work(names))

    async def _work(self, lanes: list[str]) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, stop.set)
        consumer = InferenceConsumer(lanes)
        await consumer.start()
        self.stderr.write(f"Working the lanes {', '.join(lanes)}. Stop with Ctrl-C.")
        await stop.wait()
        await consumer.stop()
        self.stderr.write("Stopped.")
