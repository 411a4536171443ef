from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import confirming, withdrawing  # models can be imported from here on

        withdrawing.listen()
        confirming.listen()
