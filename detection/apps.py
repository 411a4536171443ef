from typing import Any

from django.apps import AppConfig
from django.http.multipartparser import MultiPartParser


class DetectionConfig(AppConfig):
    name = "detection"

    def ready(self) -> None:
        from accounts.signals import happened
        from detection import events, leaving  # models can be imported from here on

        happened.connect(events.heard, dispatch_uid="webhooks")
        leaving.listen()
        MultiPartParser.sanitize_file_name = _file_name  # type: ignore[method-assign, assignment]


def _file_name(parser: Any, name: str) -> str:
    """In the place of Django's, which takes out all that is not “printable” to this Python: the joiners of
    Persian words and of emoji, and emoji that are newer than its Unicode.
    """
    from mlcore.names import clean_name

    return clean_name(name)
