"""Who works on a migration, and how far each user is."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from apps.legacy.models import Migration
from memoria.errors import Conflict

LEASE = timedelta(seconds=60)


@contextmanager
def leased(source: str) -> Iterator[Migration]:
    """Hold the migration of this source. Raises Conflict while another live process does.

    The lease of a process of this machine that is gone is taken over at once, others' when they run out.
    """
    now = timezone.now()
    Migration.objects.get_or_create(source=source, defaults={"started_at": now})
    found = Migration.objects.get(source=source)
    me = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    refuse_running(source)
    claim = Migration.objects.filter(
        pk=found.pk, lease_holder=found.lease_holder, lease_until=found.lease_until
    )
    if not claim.update(lease_holder=me, lease_until=now + LEASE):
        raise Conflict("another migration of this database has just started")
    mine = Migration.objects.filter(Q(pk=found.pk), lease_holder=me)
    stop = threading.Event()
    beat = threading.Thread(target=_renew, args=(mine, stop), daemon=True)
    beat.start()
    try:
        yield Migration.objects.get(pk=found.pk)
    finally:
        stop.set()
        beat.join()
        mine.update(lease_holder="", lease_until=None)


def refuse_running(source: str) -> None:
    """Raises Conflict while a live process holds the migration of this source."""
    found = Migration.objects.filter(source=source).first()
    if found is None or not found.lease_holder or found.lease_until is None:
        return
    if found.lease_until > timezone.now() and not _is_dead(found.lease_holder):
        raise Conflict(f"another migration of this database is running ({found.lease_holder})")


def _renew(mine, stop: threading.Event) -> None:  # type: ignore[no-untyped-def]
    while not stop.wait(LEASE.total_seconds() / 4):
        with suppress(Exception):  # the next beat tries again
            mine.update(lease_until=timezone.now() + LEASE)
    connection.close()


def _is_dead(holder: str) -> bool:
    host, pid, _ = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
