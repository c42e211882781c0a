"""The README's tour runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"


def blocks(kind: str) -> str:
    found = re.findall(rf"```{kind} tour\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert found, f"the README has no {kind} tour"
    return "\n".join(found)


def test_the_tour_runs(server, tmp_path):
    script = f"set -euo pipefail\n{blocks('bash')}\n{sys.executable} {tmp_path}/tour.py\n"
    (tmp_path / "tour.py").write_text(blocks("python"))
    port = server.url.rsplit(":", 1)[1]
    environment = {**os.environ, "PORT": port, "MASTER_KEY": server.master_key}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, cwd=README.parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "bluebird" in lines[2]
    assert "[new]" in done.stdout and "Deploys run from a laptop" in done.stdout
    assert "(1 new, 0 replaced, 0 skipped)" in done.stdout
    listed = next(line for line in lines if line.startswith('{"items"'))
    assert "bluebird" in listed and "laptop" not in listed
    assert lines[-3:] == [
        "Standup is at 9:45",
        "Standup is at 10:15 | reason: moved in May",
        "Standup is at 9:45 | reason: ",
    ]


def test_every_setting_is_listed_once_in_the_example():
    settings = (README.parent / "config" / "settings" / "base.py").read_text()
    read = set(re.findall(r'"(MEMORIA_[A-Z_]+|EMBEDDING_[A-Z_]+|LLM_[A-Z_]+|MASTER_KEY)"', settings))
    twins = {name for name in read if name.removeprefix("MEMORIA_") in read}
    listed = re.findall(
        r"^#?([A-Z][A-Z_]+)=", (README.parent / ".env.example").read_text(), flags=re.MULTILINE
    )
    assert sorted(listed) == sorted(set(listed)), "listed twice"
    assert read - twins <= set(listed)
