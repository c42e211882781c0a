from django.apps import AppConfig


class RestConfig(AppConfig):
    name = "apps.rest"

    def ready(self) -> None:
        from apps.rest import openapi  # noqa: F401  registers the authentication scheme
