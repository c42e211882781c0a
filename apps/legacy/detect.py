"""Recognising an old shared database where the new server's control database should be."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

INSTRUCTIONS = (
    "This database is that of an earlier server, with all users in one (table mem_memories). Nothing was changed. "
    "Give the new server a database of its own (MEMORIA_DATABASE_URL) and bring the users over with "
    "'manage.py migrate_legacy plan --legacy-url <this database>'; see docs/migration.md."
)


def is_legacy_control_database() -> bool:
    """Whether the control plane's database holds the memories of an earlier server."""
    return "mem_memories" in connection.introspection.table_names()


def is_behind() -> bool:
    """Whether the control plane's database lacks what a migration of this version would make."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
