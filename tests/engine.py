"""Early pytest plugin: picks the engine and a private data directory before Django reads its settings.

`MEMORIA_TEST_ENGINE` is sqlite (default) or mariadb; each xdist worker gets folders, and a server, of its own.
"""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ENGINE = os.environ.get("MEMORIA_TEST_ENGINE", "sqlite")
SERVER = None


def _runs_tests() -> bool:
    """Whether this process runs tests itself: an xdist worker, or pytest without xdist."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return True
    return (
        not any(a.startswith(("-n", "--numprocesses", "--dist")) for a in sys.argv[1:]) or "-n0" in sys.argv
    )


def _prepare() -> None:
    global SERVER
    for name in list(os.environ):
        if name.startswith(("MEMORIA_", "EMBEDDING_")) and not name.startswith("MEMORIA_TEST_"):
            del os.environ[name]
    os.environ.pop("DATABASE_URL", None)
    data = Path(tempfile.mkdtemp(prefix="memoria-test-"))
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    os.environ["MEMORIA_DATA_DIR"] = str(data)
    os.environ["MASTER_KEY"] = "test-master-key-0123456789"
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    if ENGINE == "mariadb":
        if _runs_tests():
            from tests.servers import start_mariadb

            SERVER = start_mariadb()
            os.environ["MEMORIA_DATABASE_URL"] = SERVER.url("memoria")
        else:  # the controller of xdist only collects results
            os.environ["MEMORIA_DATABASE_URL"] = "mysql://nobody@localhost/memoria"
    elif ENGINE != "sqlite":
        raise SystemExit(f"MEMORIA_TEST_ENGINE must be sqlite or mariadb, not {ENGINE!r}")


_prepare()


def pytest_report_header() -> str:
    return f"engine: {ENGINE}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is about the other engine, saying so."""
    for item in items:
        for engine, marker in (("sqlite", "mysql_only"), ("mariadb", "sqlite_only")):
            if engine == ENGINE and (mark := item.get_closest_marker(marker)):
                item.add_marker(pytest.mark.skip(reason=f"{marker}: {mark.kwargs.get('reason', mark.args)}"))
