"""The commands of docs/migration.md, taken from the page and run in their order."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.apps.legacy.conftest import drop_user_databases
from tests.running import ROOT
from tests.servers import MariaDB
from tests.warm import Warm


@pytest.mark.parametrize("old_engine", ["sqlite", "mariadb"])
def test_the_runbook_works_as_written(
    tmp_path: Path, mariadb: MariaDB, new_server: MariaDB | None, warm: Warm, old_engine: str
) -> None:
    """From either engine to the suite's."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "migration.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    name = uuid.uuid4().hex[:10]
    old = f"sqlite:///{tmp_path / 'old.db'}" if old_engine == "sqlite" else mariadb.url(f"old_{name}")
    script = "\n".join(blocks).replace("sqlite:////tmp/old.db", '"$OLD"')
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEMORIA_", "EMBEDDING_", "DJANGO_"))}
    environment = {
        **kept,
        "MEMORIA_DATA_DIR": str(tmp_path / "data"),
        "EMBEDDING_PROVIDER": "hash",
        "OLD": old,
    }
    if new_server is not None:
        new_server.execute(f"CREATE DATABASE new_{name}")
        environment["MEMORIA_DATABASE_URL"] = new_server.url(f"new_{name}")
    manage = f'manage.py() {{ {sys.executable} -m tests.warm {warm.place(environment)} "$@"; }}'
    command = f"{manage}\nset -e\nmanage.py migrate -v0\n{script}"
    at = {**environment, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], env=at, cwd=tmp_path, capture_output=True, text=True)
    warm.forget(environment["MEMORIA_DATA_DIR"])
    drop_user_databases(new_server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything is equal" in done.stdout
    assert "10 users are out of service" in done.stdout
    assert mariadb.password not in done.stdout + done.stderr
