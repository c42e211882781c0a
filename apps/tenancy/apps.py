from django.apps import AppConfig


class TenancyConfig(AppConfig):
    name = "apps.tenancy"
    verbose_name = "Users and their databases"

    def ready(self) -> None:
        from apps.tenancy import checks  # noqa: F401  registers the system checks
