import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.legacy.made import make_legacy
from tests import engine
from tests.apps.legacy.deployment import MEMORIES, USERS, Deployment
from tests.servers import MariaDB, start_mariadb
from tests.warm import Warm


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    """A server of the migration's own: on the suite's there are databases of users with the same names."""
    server = start_mariadb()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    processes = Warm()
    yield processes
    processes.stop()


@pytest.fixture(scope="session")
def new_server(mariadb: MariaDB) -> MariaDB | None:
    """Where new installations are; None: in folders, as the suite's engine is SQLite."""
    return mariadb if engine.SERVER is not None else None


class Templates:
    """What every test begins with, made once and copied."""

    def __init__(self, folder: Path, mariadb: MariaDB, new_server: MariaDB | None, warm: Warm) -> None:
        self._folder, self._mariadb, self._new_server, self._warm = folder, mariadb, new_server, warm
        self._old_sqlite = folder / "old.db"
        self._old_mariadb: str | None = None
        self._control: str | None = None

    def copy_installation(self, environment: dict[str, str]) -> None:
        """Make a new installation's tables."""
        data = Path(environment["MEMORIA_DATA_DIR"])
        if self._new_server is None:
            made = self._folder / "data"
            if not made.exists():
                self._migrate(environment | {"MEMORIA_DATA_DIR": str(made)})
            shutil.copytree(made, data)
            return
        data.mkdir(parents=True)
        if self._control is None:
            self._control = f"newtemplate_{uuid.uuid4().hex[:10]}"
            self._new_server.execute(f"CREATE DATABASE {self._control}")
            self._migrate(environment | {"MEMORIA_DATABASE_URL": self._new_server.url(self._control)})
            # It is in the databases of its users, so that no two installations may have the same.
            self._new_server.execute(f"DELETE FROM {self._control}.mem_deployment")
        self._new_server.copy(self._control, _database(environment["MEMORIA_DATABASE_URL"]))

    def _migrate(self, environment: dict[str, str]) -> None:
        done = self._warm.start("migrate", "-v0", environment=environment).wait()
        assert done.returncode == 0, done.stderr

    def copy_old(self, url: str) -> None:
        """Make the old database there."""
        if url.startswith("sqlite"):
            if not self._old_sqlite.exists():
                make_legacy(
                    url=f"sqlite:///{self._old_sqlite}", users=USERS, memories=MEMORIES, seed=1, dim=64
                )
            shutil.copy(self._old_sqlite, url.removeprefix("sqlite:///"))
            return
        if self._old_mariadb is None:
            self._old_mariadb = f"oldtemplate_{uuid.uuid4().hex[:10]}"
            made = self._mariadb.url(self._old_mariadb)
            make_legacy(url=made, users=USERS, memories=MEMORIES, seed=1, dim=64)
        self._mariadb.copy(self._old_mariadb, _database(url))


def _database(url: str) -> str:
    return url.split("?")[0].rsplit("/", 1)[1]


@pytest.fixture(scope="session")
def templates(
    tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB, new_server: MariaDB | None, warm: Warm
) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"), mariadb, new_server, warm)


@pytest.fixture(params=["sqlite", "mariadb"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path, mariadb: MariaDB) -> str:
    """Where an old database may be made, on either engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'old.db'}"
    return mariadb.url(f"old_{uuid.uuid4().hex[:10]}")


@pytest.fixture(params=["sqlite", "mariadb"])
def deployment(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    mariadb: MariaDB,
    new_server: MariaDB | None,
    templates: Templates,
    warm: Warm,
) -> Iterator[Deployment]:
    name = f"t{uuid.uuid4().hex[:10]}"
    old = f"sqlite:///{tmp_path / 'old.db'}" if request.param == "sqlite" else mariadb.url(f"old_{name}")
    url = new_server.url(f"new_{name}") if new_server is not None else None
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEMORIA_", "EMBEDDING_", "DJANGO_"))}
    environment = {
        **kept,
        "MEMORIA_DATA_DIR": str(tmp_path / "data"),
        "MASTER_KEY": "legacy-master-key-0123456789",
        "EMBEDDING_PROVIDER": "hash",
        "EMBEDDING_DIM": "64",
        **({"MEMORIA_DATABASE_URL": url} if url else {}),
    }
    templates.copy_installation(environment)
    templates.copy_old(old)
    yield Deployment(old, environment, tmp_path, url, new_server, warm)
    warm.forget(environment["MEMORIA_DATA_DIR"])
    drop_user_databases(new_server)


def drop_user_databases(server: MariaDB | None) -> None:
    """The same users are in every test: the names of their databases would run out."""
    if server is None:
        return
    made = [name for name in server.execute("SHOW DATABASES").split() if name.startswith("mem_u_")]
    if made := [name for name in made if not name.startswith("mem_u_0000")]:  # but for templates
        server.execute("; ".join(f"DROP DATABASE {name}" for name in made))
