"""Where browsers connect to be told of changes."""

from typing import Any

from django.urls import path, re_path

from detection.sockets import DetectionConsumer, refuse

websocket_urlpatterns: list[Any] = [
    path("ws/o/<slug:organisation>/detections/", DetectionConsumer.as_asgi()),
    path("ws/o/<slug:organisation>/detections/<uuid:pk>/", DetectionConsumer.as_asgi()),
    re_path(r"", refuse),  # type: ignore[arg-type]
]
