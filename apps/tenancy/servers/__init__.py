"""The configured places for user databases, by name."""

import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from apps.tenancy.servers.base import UserServer
from apps.tenancy.servers.sqlite import SqliteServer
from memoria.errors import Unavailable

_lock = threading.Lock()
_servers: dict[str, UserServer] = {}


def server_names() -> list[str]:
    return list(settings.MEMORIA_USER_SERVERS)


def server(name: str) -> UserServer:
    """The server of this name. Raises Unavailable where a registry row names one that is not configured."""
    if name not in _servers:
        with _lock:
            if name not in _servers:
                try:
                    entry = settings.MEMORIA_USER_SERVERS[name]
                except KeyError:
                    raise Unavailable(
                        f"user server '{name}' is not configured in MEMORIA_USER_SERVERS"
                    ) from None
                _servers[name] = _make(name, entry)
    return _servers[name]


def close_idle() -> None:
    for place in _servers.values():
        place.pool.close_idle()


def _make(name: str, entry: dict[str, Any]) -> UserServer:
    size, wait = settings.MEMORIA_USER_CONNECTIONS, settings.MEMORIA_USER_CONNECTION_WAIT_SECONDS
    defaults = {  # every key that Django fills in for the databases it knows from the start
        **connections[DEFAULT_DB_ALIAS].settings_dict,
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
    }
    if entry["ENGINE"].endswith("sqlite3"):
        return SqliteServer(name, Path(entry["NAME"]), {**defaults, **entry}, size=size, wait_seconds=wait)
    from apps.tenancy.servers.mysql import MysqlServer

    return MysqlServer(name, {**defaults, **entry}, size=size, wait_seconds=wait)
