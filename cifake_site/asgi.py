"""http, websocket and lifespan: the whole server process.

``application`` serves web and WebSocket for any ASGI server. ``build(consumer=True)`` adds the
InferenceConsumer, as ``manage.py serve`` does: one process more, the model's, and no broker.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cifake_site.settings")
django_application = get_asgi_application()  # sets Django up: models may be imported from here on

from cifake_site.bodies import BodyLimit  # noqa: E402
from cifake_site.lifespan import Lifespan  # noqa: E402
from cifake_site.origin import SameOrigin  # noqa: E402
from cifake_site.requests_under_way import PerAddress, SlowBodies, Turns  # noqa: E402
from detection.afterwards import AfterwardsApplication  # noqa: E402
from detection.routing import websocket_urlpatterns  # noqa: E402

M_MMAP_THRESHOLD = -3  # malloc.h


def build(*, consumer: bool) -> Any:
    _give_memory_back()
    sockets = SameOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))
    return ProtocolTypeRouter(
        {
            "http": PerAddress(SlowBodies(BodyLimit(AfterwardsApplication(Turns(django_application))))),
            "websocket": PerAddress(sockets),
            "lifespan": Lifespan(consumer=consumer),
        }
    )


def _give_memory_back() -> None:
    """glibc keeps what was freed, for each thread: gigabytes after some large pictures. Not above 1 MiB."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1024 * 1024)


application = build(consumer=False)
