"""The schema of user databases: its version, its template, and how a database is brought up to date.

Django migrations are the only source; the template is made by running them once per server and schema.
"""

import hashlib
import inspect
import sys
import threading
from functools import cache

from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from apps.tenancy.router import USER_APPS
from apps.tenancy.scope import Route, user_database
from apps.tenancy.servers import server
from apps.tenancy.servers.base import Owner
from apps.tenancy.turns import end_turn
from memoria.naming import database_name, template_name

TEMPLATE_OWNER = Owner(user_id="", deployment="template")  # no person has an empty id

_template_lock = threading.Lock()
_ready: set[tuple[str, str]] = set()


@cache
def _migrations() -> tuple[int, str]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    ours = sorted(key for key in loader.disk_migrations if key[0] in USER_APPS)
    digest = hashlib.sha256()
    for key in ours:
        module = sys.modules[loader.disk_migrations[key].__module__]
        digest.update(f"{key}\n{inspect.getsource(module)}".encode())
    return len(ours), digest.hexdigest()


def schema_version() -> int:
    """The version this code works with: the number of user-plane migrations, so every change raises it."""
    return _migrations()[0]


def template_database() -> str:
    """Name of the empty database of this schema. It also answers reads for people who have no database."""
    return template_name(_migrations()[1])


def ensure_template(server_name: str) -> str:
    """Make the template on this server unless it is there. Returns its name."""
    template = template_database()
    if (server_name, template) not in _ready:
        place = server(server_name)
        if (
            place.owner(template) != TEMPLATE_OWNER
        ):  # asked first without the lock, which takes a connection more
            end_turn()
            with _template_lock, place.template_lock(template):
                if place.owner(template) != TEMPLATE_OWNER:
                    _build_template(server_name, template)
        _ready.add((server_name, template))
    return template


def _build_template(server_name: str, template: str) -> None:
    """Migrate an empty database and put it in the template's place; what an earlier crash left is built over."""
    place = server(server_name)
    building = database_name(f"\0building {template}")  # no person's id holds a NUL
    place.drop(building)
    place.create_empty(building, TEMPLATE_OWNER)
    with user_database(Route(user_id="", alias=building, server=server_name, owner=None)) as alias:
        apply_migrations(alias)
    place.finish_template(building, template)


def apply_migrations(alias: str) -> int:
    """Bring the open user database to the newest schema. Returns the version reached; safe to repeat."""
    executor = MigrationExecutor(connections[alias])
    leaves = [key for key in executor.loader.graph.leaf_nodes() if key[0] in USER_APPS]
    executor.migrate(leaves)
    return schema_version()
