"""Fixtures of the whole suite. The cast: ada owns memories, ben is somebody else, ops operates the server."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connections

from apps.jobs import coalesce
from apps.memories import corpora
from apps.memories.services import vectors
from apps.tenancy import scope, servers
from apps.tenancy.admission import admit
from apps.tenancy.models import UserDatabase
from apps.tenancy.scope import Route, user_database
from apps.tenancy.selectors import deployment_name
from apps.tenancy.services.provision import user_provision

MakeUser = Callable[[str], Route]


@pytest.fixture
def leak_guard() -> Iterator[None]:
    """Nothing of a user may stay open after a test."""
    yield
    assert list(connections) == ["default"]
    assert not scope._state.depth, "a user database is still open"
    scope.forget_wrappers()
    servers.close_idle()
    vectors._known_queries.clear()
    corpora.cache.clear()  # the next test's users have databases of the same names


@pytest.fixture(autouse=True)
def no_late_writes() -> Iterator[None]:
    """What a test left to be written later would meet a database that is gone."""
    yield
    coalesce._after_fork()


@pytest.fixture
def make_user(db: None, leak_guard: None) -> Iterator[MakeUser]:
    """Build users with real databases; what the test made is dropped afterwards."""
    deployment_name.cache_clear()
    yield lambda user_id: admit(user_provision(user_id=user_id))
    scope.forget_wrappers()
    drop_user_databases()


def drop_user_databases() -> None:
    for row in UserDatabase.objects.all():
        servers.server(row.server).drop(row.db_name)


@pytest.fixture
def ada(make_user: MakeUser) -> Route:
    return make_user("ada")


@pytest.fixture
def ben(make_user: MakeUser) -> Route:
    return make_user("ben")


@pytest.fixture
def in_adas_database(ada: Route) -> Iterator[Route]:
    with user_database(ada):
        yield ada
