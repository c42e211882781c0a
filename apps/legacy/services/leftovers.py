"""Databases that an earlier, abandoned migration left where targets are to be, and copies of users who are gone.

Nothing is taken over or dropped unless somebody asks for it, and never what does not carry the user's own mark.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction
from django.utils import timezone

from apps.legacy.models import MigratedUser, Phase
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.selectors import deployment_name
from apps.tenancy.servers import server, server_names
from apps.tenancy.servers.base import Owner
from memoria.naming import database_name

SHOWN = 5


class Choice(StrEnum):
    """What to do with leftovers."""

    ADOPT = "adopt"
    DISCARD = "discard"
    IGNORE = "ignore"


class Kind(StrEnum):
    UNREGISTERED = "unregistered"
    """A database of the user's name that the registry does not have."""
    ELSEWHERE = "elsewhere"
    """The user was copied from another old database, and never came into service."""
    VANISHED = "vanished"
    """The user was copied, and is no longer in the old database."""


@dataclass(frozen=True, slots=True)
class Leftover:
    kind: Kind
    user_id: str
    database: str
    server: str
    owner: Owner | None
    """What the database says; None where it is none of Memoria's."""

    @property
    def is_the_users(self) -> bool:
        return self.owner is not None and self.owner.user_id == self.user_id

    def __str__(self) -> str:
        of = f"user {self.user_id!r}" if self.is_the_users else "of somebody else"
        return f"{self.database} ({of})"


def unregistered_find(user_ids: Iterable[str]) -> list[Leftover]:
    """Databases where those of these users, who have none yet, would be."""
    wanted = {database_name(user_id): user_id for user_id in user_ids}
    found = []
    for name in server_names():
        place = server(name)
        for database in sorted(place.databases() & wanted.keys()):
            owner = place.owner(database)
            found.append(Leftover(Kind.UNREGISTERED, wanted[database], database, name, owner))
    return found


def registered_find(kind: Kind, user_ids: Iterable[str]) -> list[Leftover]:
    """Databases of these users that are being filled."""
    rows = UserDatabase.objects.filter(status=State.IMPORTING).order_by("user_id")
    wanted, own = set(user_ids), deployment_name()
    return [
        Leftover(kind, row.user_id, row.db_name, row.server, Owner(row.user_id, own))
        for row in rows
        if row.user_id in wanted
    ]


def shown(leftovers: Iterable[Leftover]) -> str:
    """The first few, for a message."""
    every = list(map(str, leftovers))
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more


def leftover_resolve(leftover: Leftover, choice: Choice, *, migration_id: int) -> None:
    """Take a database over for this migration, or drop it with what is known of it. Safe to repeat."""
    if choice is Choice.IGNORE or not leftover.is_the_users or leftover.owner is None:
        return
    place = server(leftover.server)
    if choice is Choice.DISCARD:
        if place.owner(leftover.database) in (leftover.owner, None):
            place.drop(leftover.database)
        with transaction.atomic():
            MigratedUser.objects.filter(pk=leftover.user_id).exclude(phase=Phase.ACTIVE).delete()
            UserDatabase.objects.filter(pk=leftover.user_id, status=State.IMPORTING).delete()
        return
    now = timezone.now()
    if leftover.kind is Kind.UNREGISTERED:
        place.change_owner(leftover.database, leftover.owner, Owner(leftover.user_id, deployment_name()))
        UserDatabase.objects.create(
            user_id=leftover.user_id,
            db_name=leftover.database,
            server=leftover.server,
            status=State.IMPORTING,
            created_at=now,
            updated_at=now,
        )
    if leftover.kind is not Kind.VANISHED:
        MigratedUser.objects.filter(pk=leftover.user_id).delete()
        MigratedUser.objects.create(
            user_id=leftover.user_id, migration_id=migration_id, phase=Phase.COPYING, updated_at=now
        )
