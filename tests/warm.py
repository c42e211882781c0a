"""Management commands as processes of their own that begin at once: forks of a process that has Django loaded.

An interpreter that loads Memoria takes three seconds of a processor, and tests of whole commands start hundreds of
them. A fork of one that has loaded takes a hundredth, reads the same settings from its own environment, and can be
killed like any process. `Warm` is the tests' side, `python -m tests.warm SOCKET` the other; for scripts
`python -m tests.warm SOCKET COMMAND …` stands for manage.py.
"""

import ctypes
import gc
import itertools
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.util import _exit_function
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
POLL_SECONDS = 0.002
PR_SET_PDEATHSIG = 1


@dataclass
class Ended:
    """How a command ended; the code is None where a signal ended it."""

    returncode: int | None
    stdout: str
    stderr: str
    seconds: float


class Running:
    """A command that has begun. It ends where nobody holds this any more."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.pid: int = connection.recv()

    def has_ended(self) -> bool:
        return self._connection.poll()

    def signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        if not self._connection.closed:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float = 240.0) -> Ended:
        try:
            assert self._connection.poll(seconds), "the command has not ended"
            return Ended(*self._connection.recv())
        finally:
            self._connection.close()


class Warm:
    """Starts commands. One for a session: it loads Memoria once, and once more for each environment."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self._places: dict[frozenset[tuple[str, str]], str] = {}
        self._numbers = itertools.count()
        first = str(self._folder / "s")
        command = [sys.executable, "-m", "tests.warm", first]
        one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # a fork has only the thread that forked
        self._process = subprocess.Popen(command, cwd=ROOT, env=one_thread, stdin=subprocess.DEVNULL)
        self._first = first

    def place(self, environment: dict[str, str]) -> str:
        """The socket at which commands with this environment begin."""
        key = frozenset(environment.items())
        if key not in self._places:
            socket = str(self._folder / str(next(self._numbers)))  # never one that was used before
            with _connected(self._first) as connection:
                connection.send(("serve", socket, environment))
                connection.recv()
            self._places[key] = socket
        return self._places[key]

    def start(
        self,
        *arguments: str,
        environment: dict[str, str],
        after: float | None = None,
        before: str = "",
    ) -> Running:
        """Begin a command of manage.py.

        It is killed `after` so many seconds. `before` is Python that it runs first.
        """
        return _begun(self.place(environment), *arguments, after=after, before=before)

    def forget(self, data: str) -> None:
        """End what waits for commands on this data directory."""
        for key in [key for key in self._places if ("MEMORIA_DATA_DIR", data) in key]:
            _stop(self._places.pop(key))

    def stop(self) -> None:
        for place in [*self._places.values(), self._first]:
            _stop(place)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _begun(place: str, *arguments: str, after: float | None = None, before: str = "") -> Running:
    connection = _connected(place)
    connection.send(("run", str(Path.cwd()), arguments, after, before))
    return Running(connection)


def _stop(place: str) -> None:
    with _connected(place) as connection:
        connection.send(("stop",))


def _connected(place: str) -> Connection:
    deadline = time.monotonic() + 60
    while True:
        try:
            return Client(place, "AF_UNIX")
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _serve(place: str) -> None:
    """Answer until told to stop: every request in a fork, none of which touches what the others see."""
    listener = Listener(place, "AF_UNIX", backlog=16)
    while True:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever answered is gone without a trace
        with listener.accept() as connection:
            what, *request = connection.recv()
            if what == "stop":
                listener.close()
                return
            if _forked() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                if what == "run":
                    _run(connection, *request)
                else:
                    _serve_environment(connection, *request)
                os._exit(0)


def _serve_environment(connection: Connection, place: str, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
    import django

    django.setup()
    for name in ("config.urls", "config.celery", "apps.legacy.management.commands.migrate_legacy"):
        import_module(name)  # what most commands load or check
    gc.freeze()  # a collection would write to every page, and so copy it
    connection.send("ready")
    _serve(place)


def _forked() -> int:
    """A fork that ends with its parent."""
    if (child := os.fork()) == 0:
        _end_with_parent()
    return child


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _run(
    connection: Connection, folder: str, arguments: Sequence[str], after: float | None, before: str
) -> None:
    """Run one command in a fork and tell how it ended."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        if (child := _forked()) == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.chdir(folder)
            os._exit(_work(arguments, before))  # to take the interpreter down takes longer than most commands
        connection.send(child)
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if (after is not None and time.monotonic() > started + after) or connection.poll():
                os.kill(child, signal.SIGKILL)  # it was to, or nobody waits for it any more
                ended = os.waitpid(child, 0)
                break
            time.sleep(POLL_SECONDS)
        code = None if os.WIFSIGNALED(ended[1]) else os.waitstatus_to_exitcode(ended[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
        connection.send((code, *texts, time.monotonic() - started))


def _work(arguments: Sequence[str], before: str) -> int:
    from django.core.management import execute_from_command_line

    code = 0
    try:
        exec(before, {})
        execute_from_command_line(["manage.py", *arguments])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # whatever it is, the other side must hear of it, and the fork must end here
        traceback.print_exc()
        code = 1
    _exit_function()  # what multiprocessing leaves until the end
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _load() -> None:
    """Everything that takes long to load and does not ask for Django's settings."""
    import memoria

    slow = (
        "numpy",
        "MySQLdb",
        "celery",
        "django.contrib.admin.options",
        "drf_spectacular",
        "httpx",
        "rich.progress",
    )
    for name in (*slow, *(found.name for found in pkgutil.walk_packages(memoria.__path__, "memoria."))):
        import_module(name)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        _end_with_parent()
        _load()
        _serve(sys.argv[1])
    else:
        done = _begun(sys.argv[1], *sys.argv[2:]).wait()
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode)
