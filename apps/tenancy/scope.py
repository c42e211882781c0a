"""The user scope: while it is open, in this thread, one user database exists and user-plane models go to it.

Only the doors, provisioning, migrations and sweeps open scopes; services never do. Enter with `with`, never
inside a generator or across threads (a generator's consumer would see the alias between items).
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.tenancy.servers import server
from apps.tenancy.servers.base import Owner
from apps.tenancy.turns import end_turn
from memoria.errors import NoDatabase, NoUserScope
from memoria.naming import checked_database_name

# Closed wrappers kept per thread so that a user's next request does not build one; they hold no connection.
KEPT_WRAPPERS = 32


@dataclass(frozen=True, slots=True)
class Route:
    """Where one user's database is. `owner` is what its marker must say; None only while it is being built."""

    user_id: str
    alias: str
    server: str
    owner: Owner | None
    epoch: int = 0
    read_only: bool = False


class _ThreadState(threading.local):
    def __init__(self) -> None:
        self.kept: OrderedDict[tuple[Any, ...], BaseDatabaseWrapper] = OrderedDict()
        self.depth: Counter[str] = Counter()


_state = _ThreadState()
_current: ContextVar[Route | None] = ContextVar("memoria_user_scope", default=None)


@contextmanager
def user_database(route: Route) -> Iterator[str]:
    """Make the route's alias exist in this thread until the block ends. Yields the alias.

    No connection is taken before the first query, and it goes back when the outermost block ends.
    """
    alias = route.alias
    if not _state.depth[alias]:
        connections[alias] = _wrapper(route)
    _state.depth[alias] += 1
    token = _current.set(route)
    try:
        yield alias
    finally:
        _current.reset(token)
        _state.depth[alias] -= 1
        if not _state.depth[alias]:
            wrapper = connections[alias]
            del (
                _state.depth[alias],
                connections[alias],
            )  # first: a failing close cannot leave the alias behind
            wrapper.close()
            if not wrapper.closed_in_transaction:
                _keep(route, wrapper)


def current_route() -> Route:
    """The open scope. Raises NoUserScope where there is none: never a silent default."""
    if (route := _current.get()) is None:
        raise NoUserScope("no user database is open here")
    return route


def current_alias() -> str:
    return current_route().alias


def open_alias() -> str | None:
    """The alias of the open scope, or None."""
    route = _current.get()
    return route.alias if route is not None else None


def user_connection() -> BaseDatabaseWrapper:
    """The Django connection of the open scope, for SQL the ORM cannot say."""
    return connections[current_alias()]


def user_atomic(*, durable: bool = False, savepoint: bool = True) -> transaction.Atomic:
    """A transaction on the open user database; a bare atomic() would open one on the control plane.

    Only writers need one. Raises NoDatabase where the open database is the empty one of unknown users.
    """
    if current_route().read_only:
        raise NoDatabase("This user has no memories yet")
    end_turn()  # another writer may have to be waited for, and the disk
    return transaction.atomic(using=current_alias(), durable=durable, savepoint=savepoint)


def on_user_commit(function: Callable[[], object]) -> None:
    """Run `function` once the user database has committed; at once where no transaction is open."""
    transaction.on_commit(function, using=current_alias())


def release_connection() -> None:
    """Give the connection back before slow work that needs no database; the next query leases one again."""
    connection = user_connection()
    if not connection.in_atomic_block:
        connection.close()


def forget_wrappers() -> None:
    """Drop this thread's kept wrappers, between tests and before a database moves."""
    _state.kept.clear()


def _key(route: Route) -> tuple[Any, ...]:
    return route.server, route.alias, route.owner, route.read_only


def _wrapper(route: Route) -> BaseDatabaseWrapper:
    if (kept := _state.kept.pop(_key(route), None)) is not None:
        return kept
    connect = partial(server(route.server).connection, checked_database_name(route.alias))
    return connect(owner=route.owner, read_only=route.read_only)


def _keep(route: Route, wrapper: BaseDatabaseWrapper) -> None:
    _state.kept[_key(route)] = wrapper
    if len(_state.kept) > KEPT_WRAPPERS:
        _state.kept.popitem(last=False)
