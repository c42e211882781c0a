import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.legacy.made import make_legacy
from tests import engine
from tests.apps.legacy.deployment import MEMORIES, USERS, Deployment
from tests.running import ROOT
from tests.servers import MariaDB, start_mariadb


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    if engine.SERVER is not None:
        yield engine.SERVER
        return
    server = start_mariadb()
    yield server
    server.stop()


class Templates:
    """What every test begins with, made once and copied."""

    def __init__(self, folder: Path, mariadb: MariaDB) -> None:
        self._folder, self._mariadb = folder, mariadb
        self._old_sqlite = folder / "old.db"
        self._old_mariadb: str | None = None

    def installation(self, environment: dict[str, str]) -> Path:
        """A new installation's folder, with its tables."""
        data = self._folder / "data"
        if not data.exists():
            data.mkdir()
            command = [sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"]
            subprocess.run(command, env=environment | {"MEMORIA_DATA_DIR": str(data)}, check=True)
        return data

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
        self._mariadb.copy(self._old_mariadb, url.split("?")[0].rsplit("/", 1)[1])


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB) -> Templates:
    return Templates(tmp_path_factory.mktemp("templates"), mariadb)


@pytest.fixture(params=["sqlite", "mariadb"])
def deployment(
    request: pytest.FixtureRequest, tmp_path: Path, mariadb: MariaDB, templates: "Templates"
) -> Iterator[Deployment]:
    name = f"t{uuid.uuid4().hex[:10]}"
    old = f"sqlite:///{tmp_path / 'old.db'}" if request.param == "sqlite" else mariadb.url(f"old_{name}")
    url, before = None, set()
    if engine.SERVER is not None:
        before = user_databases()
        engine.SERVER.execute(f"CREATE DATABASE new_{name}")
        url = engine.SERVER.url(f"new_{name}")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEMORIA_", "EMBEDDING_", "DJANGO_"))}
    environment = {
        **kept,
        "MEMORIA_DATA_DIR": str(tmp_path / "data"),
        "MASTER_KEY": "legacy-master-key-0123456789",
        "EMBEDDING_PROVIDER": "hash",
        "EMBEDDING_DIM": "64",
        **({"MEMORIA_DATABASE_URL": url} if url else {}),
    }
    made = Deployment(old, environment, tmp_path, url)
    if url is None:
        shutil.copytree(templates.installation(environment), tmp_path / "data")
    else:  # its name is in its users' databases, so that no two may be copies of one
        (tmp_path / "data").mkdir()
        assert made.run("migrate", "-v0").returncode == 0
    templates.copy_old(old)
    yield made
    for database in user_databases() - before:  # the same users in every test: their names would run out
        assert engine.SERVER is not None
        engine.SERVER.execute(f"DROP DATABASE {database}")


def user_databases() -> set[str]:
    """Those on the suite's server, but for templates, which other tests go on using."""
    if engine.SERVER is None:
        return set()
    return {
        name
        for name in engine.SERVER.execute("SHOW DATABASES").split()
        if name.startswith("mem_u_") and not name.startswith("mem_u_0000")
    }
