"""Bringing the control plane to this code's schema."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from memoria.errors import Unavailable

WAIT_SECONDS = 120


def control_plane_migrate() -> None:
    """Run what is missing of Django's migrations; servers that start at once take turns.

    Raises Unavailable when another one has been at it for two minutes.
    """
    with _turn():
        call_command("migrate", verbosity=0)


@contextmanager
def _turn() -> Iterator[None]:
    """The lock ends with its process or connection, so that a dead server holds nobody up."""
    if connection.vendor != "mysql":
        with (settings.MEMORIA_DATA_DIR / "migrate.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        return
    name = f"memoria:migrate:{connection.settings_dict['NAME']}"[:64]
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", [name, WAIT_SECONDS])
        if cursor.fetchone() != (1,):
            raise Unavailable("another server has been upgrading the control plane for two minutes")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT RELEASE_LOCK(%s)", [name])
