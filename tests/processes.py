"""Other processes on an installation of their own: what several servers or a killed one would do."""

import os
import subprocess
import sys
from pathlib import Path

from tests import engine

ROOT = Path(__file__).resolve().parents[1]
PRELUDE = "import sys, django; sys.path.insert(0, {root!r}); django.setup()\n"


def installation(folder: Path) -> dict[str, str]:
    """The environment of a fresh, migrated installation with its data in `folder`."""
    environment = empty_installation(folder)
    manage(environment, "migrate", "-v0")
    return environment


def empty_installation(folder: Path) -> dict[str, str]:
    """The environment of an installation whose control plane has no table yet."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "MEMORIA_DATA_DIR": str(folder),
    }
    if engine.SERVER is not None:
        name = f"memoria_{folder.name.replace('-', '_')}"[:60]
        engine.SERVER.execute(f"CREATE DATABASE IF NOT EXISTS {name}")
        environment["MEMORIA_DATABASE_URL"] = engine.SERVER.url(name)
    return environment


def manage(
    environment: dict[str, str], *arguments: str, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        check=check,
        capture_output=True,
        text=True,
    )


def start_script(
    environment: dict[str, str], script: str, *arguments: str, stdin: int | None = None
) -> "subprocess.Popen[str]":
    """Run Python code with Django set up; its arguments are sys.argv[1:]."""
    code = PRELUDE.format(root=str(ROOT)) + script
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, env=environment, stdin=stdin, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
