"""Which old database is which, however its URL is spelt."""

from django.db import connection

from apps.legacy.models import Migration
from apps.legacy.source import SERVER_NAMES, Source, server_identity


def ledger_name(source: Source) -> str:
    """The name under which the ledger has this old database, or would have it."""
    identity = source.identity()
    rows = Migration.objects.filter(identity=identity) if identity else Migration.objects.none()
    return rows.order_by("pk").values_list("source", flat=True).first() or source.label


def identity_note(source: Source, migration_id: int) -> None:
    """Remember what the old database says of itself."""
    Migration.objects.filter(pk=migration_id).update(identity=source.identity())


def is_control_database(source: Source) -> bool:
    """Whether the old database is the one that this server's control plane is in."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "mysql":
        return source.label == f"sqlite:{name}"[-255:]
    with connection.cursor() as cursor:
        cursor.execute(SERVER_NAMES)
        own = server_identity(cursor.fetchall(), name)
    return source.is_mysql and bool(own) and source.identity() == own
