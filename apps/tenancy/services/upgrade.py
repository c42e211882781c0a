"""Bringing user databases to the schema this code works with, one at a time, under the row's lease."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import connections
from django.db.models import F, QuerySet
from django.utils import timezone

from apps.tenancy import schema
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import Registration, registration_find, registration_route
from apps.tenancy.turns import end_turn
from memoria.errors import NotFound, Unavailable

log = structlog.get_logger(__name__)

HOLDER_PREFIX = "upgrade:"
# After a failure the door waits this long before a request may try again, so that they do not all try at
# once.
RETRY_SECONDS = 30


def user_upgrade(*, user_id: str) -> Registration:
    """Bring one user's database up to date. Returns its registration; nothing happens where it is current.

    Raises Unavailable while somebody else upgrades it, when it is newer than this code, or not upgradable
    now. A failure leaves the state `migrating` with its reason in `last_error`, and a later call tries again.
    """
    target = schema.schema_version()
    found = registration_find(user_id=user_id)
    if found is None:
        raise NotFound("no such user")
    if found.schema_version == target and found.status != State.MIGRATING:
        return found
    if found.schema_version > target:
        raise Unavailable(
            f"this user's database has schema {found.schema_version}, newer than this server's {target}; "
            "upgrade the server",
            retry_after=60,
        )
    end_turn()
    claim = _claim(found)
    try:
        with _heartbeat(claim.rows), user_database(registration_route(found)) as alias:
            reached = schema.apply_migrations(alias)
    except Exception as error:
        log.exception("upgrading a user database failed", database=found.db_name)
        now = timezone.now()
        claim.rows.update(
            last_error=f"upgrade: {type(error).__name__}",
            lease_until=now + timedelta(seconds=RETRY_SECONDS),
            updated_at=now,
        )
        raise
    claim.rows.update(
        status=claim.state_after,
        schema_version=reached,
        epoch=F("epoch") + 1,
        lease_holder="",
        lease_until=None,
        last_error="",
        updated_at=timezone.now(),
    )
    upgraded = registration_find(user_id=user_id)
    if upgraded is None or upgraded.schema_version != reached:
        raise Unavailable("the upgrade was taken over by another process; try again", retry_after=2)
    return upgraded


class _Claim:
    """The right to upgrade one database: the rows still ours, and the state to leave behind."""

    def __init__(self, user_id: str, holder: str, state_after: str) -> None:
        self.rows: QuerySet[UserDatabase] = UserDatabase.objects.filter(pk=user_id, lease_holder=holder)
        self.state_after = state_after


def _claim(found: Registration) -> _Claim:
    now = timezone.now()
    resumable = found.status == State.MIGRATING and found.lease_holder.startswith(HOLDER_PREFIX)
    if found.status not in (State.ACTIVE, State.SUSPENDED) and not resumable:
        raise Unavailable(f"this user's database is {found.status}; try again later", retry_after=5)
    if found.lease_until is not None and found.lease_until > now:
        raise Unavailable("this user's database is being upgraded; try again", retry_after=2)
    # The state to return to travels in the holder's name, so that whoever resumes knows it.
    state_after = found.lease_holder.split(":")[1] if resumable else found.status
    holder = f"{HOLDER_PREFIX}{state_after}:{uuid.uuid4().hex}"
    rows = UserDatabase.objects.filter(
        pk=found.user_id, status=found.status, lease_holder=found.lease_holder, lease_until=found.lease_until
    )
    lease_until = now + timedelta(seconds=settings.MEMORIA_LEASE_SECONDS)
    if not rows.update(status=State.MIGRATING, lease_holder=holder, lease_until=lease_until, updated_at=now):
        raise Unavailable("this user's database is being upgraded; try again", retry_after=2)
    return _Claim(found.user_id, holder, state_after)


@contextmanager
def _heartbeat(rows: QuerySet[UserDatabase]) -> Iterator[None]:
    """Renew the lease from a thread while the block runs: one migration may take longer than a lease."""
    done = threading.Event()

    def renew() -> None:
        try:
            while not done.wait(settings.MEMORIA_LEASE_SECONDS / 3):
                rows.update(lease_until=timezone.now() + timedelta(seconds=settings.MEMORIA_LEASE_SECONDS))
        finally:
            connections.close_all()

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
