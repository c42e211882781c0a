"""System checks an operator sees at start, with stable ids and a hint each."""

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connections


@register(Tags.database)
def data_directory_is_writable(**_: Any) -> list[CheckMessage]:
    directory = settings.MEMORIA_DATA_DIR
    directory.mkdir(parents=True, exist_ok=True)
    if os.access(directory, os.W_OK | os.X_OK):
        return []
    hint = "Set MEMORIA_DATA_DIR to a folder that the server's account may write to."
    return [Error(f"The data directory {directory} is not writable.", hint=hint, id="memoria.E001")]


@register()
def requests_have_no_transaction_of_their_own(**_: Any) -> list[CheckMessage]:
    if not any(entry.get("ATOMIC_REQUESTS") for entry in settings.DATABASES.values()):
        return []
    hint = "Remove ATOMIC_REQUESTS: services open exactly the transactions they need, on the right database."
    return [Error("ATOMIC_REQUESTS is on.", hint=hint, id="memoria.E002")]


@register()
def callers_are_checked(**_: Any) -> list[CheckMessage]:
    if not settings.MEMORIA_OPEN_MODE:
        return []
    hint = "For development only. Unset MEMORIA_OPEN_MODE and use the master key."
    return [Warning("Open mode: every caller is an administrator.", hint=hint, id="memoria.W001")]


@register(Tags.database, deploy=True)
def server_allows_our_connections(**_: Any) -> list[CheckMessage]:
    """With `check --deploy --database default`: the control server's limit against what this host may open."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "mysql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@max_connections")
        allowed = int(cursor.fetchone()[0])
    per_process = settings.MEMORIA_THREADS + settings.MEMORIA_USER_CONNECTIONS
    needed = settings.MEMORIA_WORKERS * per_process
    if needed <= allowed:
        return []
    hint = "Lower MEMORIA_WORKERS, MEMORIA_THREADS or MEMORIA_USER_CONNECTIONS, or raise max_connections."
    message = f"This host may open {needed} connections; the server allows {allowed}."
    return [Error(message, hint=hint, id="memoria.E003")]
