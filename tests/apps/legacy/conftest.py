import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engine
from tests.apps.legacy.deployment import MEMORIES, USERS, Deployment
from tests.servers import MariaDB, start_mariadb


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    if engine.SERVER is not None:
        yield engine.SERVER
        return
    server = start_mariadb()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "mariadb"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path, mariadb: MariaDB) -> Iterator[Deployment]:
    name = f"t{uuid.uuid4().hex[:10]}"
    old = f"sqlite:///{tmp_path / 'old.db'}" if request.param == "sqlite" else mariadb.url(f"old_{name}")
    url, before = None, set()
    if engine.SERVER is not None:
        before = _user_databases()
        engine.SERVER.execute(f"CREATE DATABASE new_{name}")
        url = engine.SERVER.url(f"new_{name}")
    (tmp_path / "data").mkdir()
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
    assert made.run("migrate", "-v0").returncode == 0
    size = ["--users", str(USERS), "--memories", str(MEMORIES), "--dim", "64"]
    done = made.run("make_legacy", "--url", old, *size)
    assert done.returncode == 0, done.stderr
    yield made
    for database in _user_databases() - before:  # the same users in every test: their names would run out
        assert engine.SERVER is not None
        engine.SERVER.execute(f"DROP DATABASE {database}")


def _user_databases() -> set[str]:
    """Those on the suite's server, but for templates, which other tests go on using."""
    if engine.SERVER is None:
        return set()
    return {
        name
        for name in engine.SERVER.execute("SHOW DATABASES").split()
        if name.startswith("mem_u_") and not name.startswith("mem_u_0000")
    }
