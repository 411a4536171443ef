from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import confirming, withdrawing  # models can be imported from here on
        from cifake_site import checks  # noqa: F401  registers them

        withdrawing.listen()
        confirming.listen()
