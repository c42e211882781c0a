"""Reads of the registry. What leaves here is a frozen `Registration`, never a row."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.db.models import Count
from django.utils import timezone

from apps.tenancy.models import Deployment, State, UserDatabase
from apps.tenancy.scope import Route
from apps.tenancy.servers import server_names
from apps.tenancy.servers.base import Owner

# In this order a joined query may append them to its own columns, see apps.accounts.selectors.
REGISTRATION_COLUMNS = (
    "user_id",
    "db_name",
    "server",
    "status",
    "schema_version",
    "epoch",
    "lease_holder",
    "lease_until",
)


@dataclass(frozen=True, slots=True)
class Registration:
    """A registry row as routing needs it."""

    user_id: str
    db_name: str
    server: str
    status: str
    schema_version: int
    epoch: int
    lease_holder: str = ""
    lease_until: datetime | None = None

    @classmethod
    def from_columns(cls, values: Sequence[Any]) -> "Registration | None":
        """Build from the values of REGISTRATION_COLUMNS; None where an outer join found no row."""
        return cls(*values) if values[0] is not None else None


def registration_find(*, user_id: str) -> Registration | None:
    values = UserDatabase.objects.filter(pk=user_id).values_list(*REGISTRATION_COLUMNS).first()
    return Registration.from_columns(values) if values else None


def registrations_marked(*, mark: str) -> list[Registration]:
    """Users whose database's name carries this owner mark, see memoria.naming: one, or by chance a few more."""
    rows = UserDatabase.objects.filter(db_name__gte=f"mem_u_{mark}", db_name__lt=f"mem_u_{mark}g")
    found = (Registration.from_columns(values) for values in rows.values_list(*REGISTRATION_COLUMNS)[:8])
    return [registration for registration in found if registration is not None]


def registrations_behind(*, schema_version: int) -> list[str]:
    """Ids of the users whose database has an older schema and may be upgraded, in a stable order."""
    rows = UserDatabase.objects.filter(schema_version__lt=schema_version)
    rows = rows.filter(status__in=(State.ACTIVE, State.SUSPENDED, State.MIGRATING))
    return list(rows.order_by("user_id").values_list("user_id", flat=True))


def active_user_ids() -> list[str]:
    """Ids of the users who are in service, in a stable order."""
    rows = UserDatabase.objects.filter(status=State.ACTIVE).order_by("user_id")
    return list(rows.values_list("user_id", flat=True))


def database_names() -> dict[str, str]:
    """The database of every user in the registry, whatever its state."""
    return dict(UserDatabase.objects.values_list("user_id", "db_name"))


def users_embedded_otherwise(*, model: str, dim: int) -> list[str]:
    """Ids of active users some of whose texts may have no vector of this model and width, in a stable order."""
    rows = UserDatabase.objects.filter(status=State.ACTIVE).exclude(embedding_model=model, embedding_dim=dim)
    return list(rows.order_by("user_id").values_list("user_id", flat=True))


def embedding_refused_count(*, user_id: str) -> int:
    """How many of the user's texts the embedding endpoint refused when it was last asked; 0 for unknown users."""
    rows = UserDatabase.objects.filter(pk=user_id).values_list("embedding_refused", flat=True)
    return rows.first() or 0


def least_loaded_server() -> str:
    """The configured server with the fewest databases; among equals the one named first."""
    names = server_names()
    if len(names) == 1:
        return names[0]
    rows = UserDatabase.objects.exclude(status=State.DELETED).filter(server__in=names)
    counts = dict(rows.values_list("server").annotate(Count("pk")))
    return min(names, key=lambda name: counts.get(name, 0))


@cache
def deployment_name() -> str:
    """The random name of this installation, made once. It ties user databases to their control plane."""
    defaults = {"name": uuid.uuid4().hex, "created_at": timezone.now()}
    return Deployment.objects.get_or_create(pk=1, defaults=defaults)[0].name


def registration_route(found: Registration) -> Route:
    """The way to a registered database, whatever its state; whether it may be used is for admission to say."""
    owner = Owner(found.user_id, deployment_name())
    return Route(
        user_id=found.user_id, alias=found.db_name, server=found.server, owner=owner, epoch=found.epoch
    )
