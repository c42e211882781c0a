"""Who works on a migration, and how far each user is.

A lease is held by one command at a time. Whoever loses it, because it was paused for longer than the lease lasts,
must not write beside its successor: the clock of every database that is being filled holds the number of whoever
may fill it, and every batch begins by locking that row.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import DatabaseError, OperationalError, connection
from django.db.models import F, QuerySet
from django.utils import timezone

from apps.legacy.models import MigratedUser, Migration, Phase, Work
from apps.tenancy import schema, sql
from apps.tenancy.models import State
from apps.tenancy.scope import user_atomic, user_database
from apps.tenancy.selectors import registration_find, registration_route
from memoria.errors import Conflict

LEASE = timedelta(seconds=60)
ATTEMPTS_PER_LEASE = 1_000


_TAKEN_OVER = (
    "another process has taken this migration over; this one writes nothing more. See how far it is with"
    " 'migrate_legacy status', and repeat the command when it has ended"
)


class LeaseLost(Conflict):
    """Another process has taken over what this one was at."""

    def __init__(self, message: str = _TAKEN_OVER) -> None:
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write for a migration. It goes to other processes; later ones have greater numbers."""

    migration_id: int
    number: int
    attempt: int = 0
    """Of one user's copying under this lease: a worker that was given up must not write beside the next."""

    @property
    def fence(self) -> int:
        return self.number * ATTEMPTS_PER_LEASE + self.attempt

    def is_held(self) -> bool:
        return Migration.objects.filter(pk=self.migration_id, lease_number=self.number).exists()

    def users(self) -> QuerySet[MigratedUser]:
        """The migration's users in the ledger; none of them once the lease is lost."""
        held = Migration.objects.filter(pk=self.migration_id, lease_number=self.number)
        return MigratedUser.objects.filter(migration__in=held)


@dataclass(frozen=True, slots=True)
class Held:
    """A lease while this process renews it."""

    migration: Migration
    lease: Lease
    _lost: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raises LeaseLost where the lease could not be renewed because another process has it."""
        if self._lost.is_set():
            raise LeaseLost

    def confirm(self) -> None:
        """Raises LeaseLost where another process has the lease by now, whether that was noticed or not."""
        if not Migration.objects.filter(pk=self.lease.migration_id, lease_number=self.lease.number).exists():
            raise LeaseLost


@contextmanager
def leased(source: str) -> Iterator[Held]:
    """Hold the migration of this source. Raises Conflict while another live process does.

    The lease of a process of this machine that is gone is taken over at once, others' when they run out.
    """
    now = timezone.now()
    Migration.objects.get_or_create(source=source, defaults={"started_at": now})
    found = Migration.objects.get(source=source)
    me = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
    refuse_running(source)
    claim = Migration.objects.filter(pk=found.pk, lease_number=found.lease_number)
    if not claim.update(lease_holder=me, lease_until=now + LEASE, lease_number=F("lease_number") + 1):
        raise Conflict("another migration of this database has just started")
    migration = Migration.objects.get(pk=found.pk)
    held = Held(migration, Lease(migration.pk, found.lease_number + 1))
    mine = Migration.objects.filter(pk=found.pk, lease_number=held.lease.number)
    stop = threading.Event()
    beat = threading.Thread(target=_renew, args=(mine, held, stop), daemon=True)
    beat.start()
    try:
        Work.objects.filter(migration=migration).delete()  # of a command that was killed
        _fence_others(held.lease, found.lease_holder)
        yield held
    finally:
        stop.set()
        beat.join()
        drop_lost_connection()
        mine.update(lease_holder="", lease_until=None)


def drop_lost_connection() -> None:
    """Let the next statement to the control plane open another connection where this thread's may be lost."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def refuse_running(source: str) -> None:
    """Raises Conflict while a live process holds the migration of this source."""
    found = Migration.objects.filter(source=source).first()
    if found is None or not found.lease_holder or found.lease_until is None:
        return
    if found.lease_until > timezone.now() and not _is_dead(found.lease_holder):
        raise Conflict(f"another migration of this database is running ({found.lease_holder})")


def fence_raise(fence: int) -> None:
    """Keep whoever has a smaller number from writing to the open database. Raises LeaseLost where ours is smaller."""
    with user_atomic():
        if not sql.execute("UPDATE mem_clock SET copier = %s WHERE id = 1 AND copier <= %s", [fence, fence]):
            raise LeaseLost


def fence_hold(fence: int) -> None:
    """Lock the open database's clock until the transaction ends. Raises LeaseLost where it is another's by now."""
    if not sql.execute("UPDATE mem_clock SET copier = %s WHERE id = 1 AND copier = %s", [fence, fence]):
        raise LeaseLost


def _fence_others(lease: Lease, before: str) -> None:
    """Those users may still be written to by a process that has lost the lease without knowing."""
    users = lease.users().filter(phase=Phase.COPYING, copier__gt=0, copier__lt=lease.fence)
    for user_id in users.values_list("user_id", flat=True):
        found = registration_find(user_id=user_id)
        if (
            found is None
            or found.status != State.IMPORTING
            or found.schema_version != schema.schema_version()
        ):
            continue
        try:
            with user_database(registration_route(found)):
                fence_raise(lease.fence)
        except OperationalError as error:
            raise Conflict(
                f"the database of user {user_id!r} is locked, perhaps by a process that was paused while it wrote"
                f" ({before or 'it has given its lease back'}): end that process, and repeat the command"
            ) from error
    users.update(copier=lease.fence)


def _renew(mine: QuerySet[Migration], held: Held, stop: threading.Event) -> None:
    while not stop.wait(LEASE.total_seconds() / 4):
        try:
            if not mine.update(lease_until=timezone.now() + LEASE):
                held._lost.set()
                break
        except DatabaseError:  # the next beat tries again
            continue
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
