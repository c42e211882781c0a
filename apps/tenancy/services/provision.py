"""Making a user's database at first use: one builder per user over all threads and processes.

The registry row is the lock. A builder holds a lease on the row; others wait; a lease that ran out is taken
over. Builds are safe to repeat, and only the present lease holder can activate, so a builder that was merely
slow does no harm. Nothing is ever deleted here: an interrupted build is resumed.
"""

import random
import time
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from apps.tenancy import schema
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.scope import Route, user_database
from apps.tenancy.selectors import Registration, deployment_name, least_loaded_server, registration_find
from apps.tenancy.servers import server
from apps.tenancy.servers.base import Owner
from apps.tenancy.turns import end_turn
from memoria.errors import Unavailable, WrongOwner
from memoria.naming import checked_user_id, database_name

log = structlog.get_logger(__name__)

# As many deployments can hold a user of the same id on one server.
NAME_ATTEMPTS = 64


def user_provision(*, user_id: str, ready: State = State.ACTIVE) -> Registration:
    """Return the user's registration, building the database first where it does not exist.

    Returns rows in any state but `provisioning`: whether they may be used is the caller's question. `ready` is the
    state of a database that is built now.
    Raises Invalid for an unacceptable id and Unavailable when the build takes too long or fails.
    """
    checked_user_id(user_id)
    deadline = time.monotonic() + 2 * settings.MEMORIA_LEASE_SECONDS
    holder = f"build:{uuid.uuid4().hex}"
    while True:
        found = registration_find(user_id=user_id)
        if found is not None and found.status != State.PROVISIONING:
            return found
        end_turn()
        claimed = _claim_new(user_id, holder) if found is None else _take_over(found, holder)
        if claimed is not None:
            return _build(claimed, holder, ready)
        if time.monotonic() > deadline:
            raise Unavailable("timeout: the user's database is still being built; try again", retry_after=2)
        time.sleep(random.uniform(0.01, 0.05))  # noqa: S311  spreads the waiters


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.MEMORIA_LEASE_SECONDS)


def _claim_new(user_id: str, holder: str) -> Registration | None:
    """Insert the row, with another name where the first is taken. None: somebody else inserted this user."""
    now = timezone.now()
    place = least_loaded_server()
    for attempt in range(NAME_ATTEMPTS):
        name = database_name(user_id, attempt)
        try:
            with transaction.atomic():
                UserDatabase.objects.create(
                    user_id=user_id,
                    db_name=name,
                    server=place,
                    status=State.PROVISIONING,
                    lease_holder=holder,
                    lease_until=_lease_end(now),
                    created_at=now,
                    updated_at=now,
                )
        except IntegrityError:
            if UserDatabase.objects.filter(pk=user_id).exists():
                return None
            continue  # the name belongs to another user: a hash collision
        return Registration(user_id, name, place, State.PROVISIONING, schema_version=0, epoch=0)
    raise Unavailable("no free database name was found for this user", retry_after=60)


def _take_over(found: Registration, holder: str) -> Registration | None:
    """Claim a build whose holder showed no sign of life. None: it is still alive, or another waiter was
    faster.
    """
    now = timezone.now()
    if found.lease_until is not None and found.lease_until > now:
        return None
    rows = UserDatabase.objects.filter(
        pk=found.user_id,
        status=State.PROVISIONING,
        lease_holder=found.lease_holder,
        lease_until=found.lease_until,
    )
    if not rows.update(lease_holder=holder, lease_until=_lease_end(now), updated_at=now):
        return None
    log.info("resuming an interrupted build", database=found.db_name)
    return registration_find(user_id=found.user_id)


def _build(claimed: Registration, holder: str, ready: State) -> Registration:
    """Build what `holder` claimed and put it in its state; after a failure the next request resumes."""
    mine = UserDatabase.objects.filter(pk=claimed.user_id, lease_holder=holder, status=State.PROVISIONING)
    try:
        name = _create_database(claimed, mine)
    except Exception as error:
        now = timezone.now()
        mine.update(last_error=type(error).__name__, lease_until=now, updated_at=now)
        raise
    version = schema.schema_version()
    is_ours = mine.update(
        status=ready,
        schema_version=version,
        epoch=F("epoch") + 1,
        lease_holder="",
        lease_until=None,
        last_error="",
        updated_at=timezone.now(),
    )
    if not is_ours:  # our lease ran out meanwhile, and whoever took over is building the same database
        return user_provision(user_id=claimed.user_id, ready=ready)
    return replace(
        claimed,
        db_name=name,
        status=ready,
        schema_version=version,
        epoch=claimed.epoch + 1,
        lease_holder="",
        lease_until=None,
    )


def _create_database(claimed: Registration, mine: QuerySet[UserDatabase]) -> str:
    """Create the database, under the next free name where somebody else's is in the way. Returns its name."""
    place = server(claimed.server)
    template = schema.ensure_template(claimed.server)
    owner = Owner(claimed.user_id, deployment_name())
    candidates = [
        claimed.db_name,
        *(database_name(claimed.user_id, attempt) for attempt in range(NAME_ATTEMPTS)),
    ]
    for name in candidates:
        try:
            if name != claimed.db_name:
                with transaction.atomic():
                    mine.update(db_name=name)
            is_new = place.create_from_template(name, template, owner)
        except (IntegrityError, WrongOwner):
            log.warning("database name is taken", database=name, server=claimed.server)
            continue
        if not is_new:  # left by a builder who died before activating it, perhaps with an older schema
            with user_database(
                Route(claimed.user_id, alias=name, server=claimed.server, owner=owner)
            ) as alias:
                schema.apply_migrations(alias)
        return name
    raise Unavailable("no free database name was found for this user", retry_after=60)
