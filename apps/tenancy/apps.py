from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.signals import connection_created
from django.db.models.signals import pre_migrate


class TenancyConfig(AppConfig):
    name = "apps.tenancy"
    verbose_name = "Users and their databases"

    def ready(self) -> None:
        from apps.tenancy import checks  # noqa: F401  registers the system checks
        from apps.tenancy.turns import watch_statements

        connection_created.connect(watch_statements)
        pre_migrate.connect(_prepare_control_database, sender=self)


def _prepare_control_database(*, using: str, **_: Any) -> None:
    """Make new tables of the control plane hold any text: many servers create databases as latin1 by default."""
    connection = connections[using]
    if using != DEFAULT_DB_ALIAS or connection.vendor != "mysql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@character_set_database")
        if cursor.fetchone()[0] != "utf8mb4":
            cursor.execute("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
