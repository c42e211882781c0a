"""Recognising an old shared database where the new server's control database should be."""

from django.db import connection

INSTRUCTIONS = (
    "This database is that of an earlier server, with all users in one (table mem_memories). Nothing was changed. "
    "Give the new server a database of its own (MEMORIA_DATABASE_URL) and bring the users over with "
    "'manage.py migrate_legacy plan --legacy-url <this database>'; see docs/migration.md."
)


def is_legacy_control_database() -> bool:
    """Whether the control plane's database holds the memories of an earlier server."""
    return "mem_memories" in connection.introspection.table_names()
