"""What a place for user databases can do; implemented once for SQLite files and once for MySQL-protocol
servers.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from apps.tenancy.servers.pool import LeasedConnection, Pool
from memoria.errors import WrongOwner


@dataclass(frozen=True, slots=True)
class Owner:
    """What the marker inside a user database says."""

    user_id: str
    deployment: str


def checked_owner(found: Iterable[tuple[Any, ...]], expected: Owner, database: str) -> None:
    """Raise WrongOwner unless exactly one marker names the expected owner."""
    rows = [tuple(v.decode() if isinstance(v, bytes) else v for v in row) for row in found]
    if rows != [(expected.user_id, expected.deployment)]:
        raise WrongOwner(f"database {database} carries the marker of another owner; it was left untouched")


class UserServer:
    """One place for user databases, with its pool of connections. All names were validated by memoria.naming."""

    vendor: str

    def __init__(self, name: str, *, size: int, wait_seconds: float, close: Callable[[Any], None]) -> None:
        self.name = name
        self.pool = Pool(name=name, size=size, wait_seconds=wait_seconds, close=close)

    def connection(self, database: str, *, owner: Owner | None, read_only: bool = False) -> LeasedConnection:
        """A closed Django connection; `owner` None skips the marker check (while the database is being
        built).
        """
        raise NotImplementedError

    def exists(self, database: str) -> bool:
        raise NotImplementedError

    def databases(self) -> set[str]:
        """Names of all user databases that are there, whoever made them."""
        raise NotImplementedError

    def change_owner(self, database: str, old: Owner, new: Owner) -> None:
        """Put another marker into a database. Raises WrongOwner unless it carries the old one."""
        raise NotImplementedError

    def owner(self, database: str) -> Owner | None:
        """The marker inside a database; None where there is no database or no marker. Errors propagate."""
        raise NotImplementedError

    def template_lock(self, template: str) -> AbstractContextManager[None]:
        """Only one process at a time makes the template; a dead one holds no lock."""
        raise NotImplementedError

    def create_empty(self, database: str, owner: Owner) -> None:
        """Create a database that holds the marker and nothing else."""
        raise NotImplementedError

    def finish_template(self, building: str, template: str) -> None:
        """Turn the migrated database `building` into the template."""
        raise NotImplementedError

    def create_from_template(self, database: str, template: str, owner: Owner) -> bool:
        """Make a complete database for `owner`. Safe to repeat and to run twice at once.

        Returns False where the owner's complete database was there already; it is left as it is.
        """
        raise NotImplementedError

    def drop(self, database: str) -> None:
        """Remove the database; nothing happens where there is none. The caller has checked the marker."""
        raise NotImplementedError

    def size_bytes(self, database: str) -> int | None:
        """Bytes on disk; None where there is no database."""
        raise NotImplementedError

    def may_create(self) -> bool:
        """Whether our account may make user databases here."""
        raise NotImplementedError

    def free_bytes(self) -> int | None:
        """Room for more; None where only the server knows."""
        return None
