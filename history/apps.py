from django.apps import AppConfig


class HistoryConfig(AppConfig):
    name = "history"

    def ready(self) -> None:
        from accounts.signals import happened
        from history.audit import write_down

        happened.connect(write_down, dispatch_uid="history.audit")
