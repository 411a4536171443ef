"""http, websocket and lifespan: the whole server process.

``application`` serves web and WebSocket for any ASGI server. ``build(consumer=True)`` adds the
InferenceConsumer, as ``manage.py serve`` does: one process more, the model's, and no broker.
"""

from __future__ import annotations

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
from mlcore.decoding import give_memory_back  # noqa: E402


def build(*, consumer: bool) -> Any:
    give_memory_back()
    sockets = SameOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))
    return ProtocolTypeRouter(
        {
            "http": PerAddress(SlowBodies(BodyLimit(AfterwardsApplication(Turns(django_application))))),
            "websocket": PerAddress(sockets),
            "lifespan": Lifespan(consumer=consumer),
        }
    )


application = build(consumer=False)
