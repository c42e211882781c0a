"""The commands of docs/migration.md, taken from the page and run in their order."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.running import ROOT


def test_the_runbook_works_as_written(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "migration.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    script = "\n".join(blocks).replace("/tmp/old.db", str(tmp_path / "old.db"))
    manage = f'manage.py() {{ {sys.executable} {ROOT}/manage.py "$@"; }}'
    command = f"{manage}\nset -e\nmanage.py migrate -v0\n{script}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MEMORIA_", "EMBEDDING_", "DJANGO_"))}
    environment = {
        **kept,
        "MEMORIA_DATA_DIR": str(tmp_path / "data"),
        "EMBEDDING_PROVIDER": "hash",
        "OLD": f"sqlite:///{tmp_path / 'old.db'}",
    }
    done = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything is equal" in done.stdout
    assert "10 users are out of service" in done.stdout
