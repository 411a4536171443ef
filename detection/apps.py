from django.apps import AppConfig


class DetectionConfig(AppConfig):
    name = "detection"

    def ready(self) -> None:
        from accounts.signals import happened
        from detection import events, leaving  # models can be imported from here on

        happened.connect(events.heard, dispatch_uid="webhooks")
        leaving.listen()
