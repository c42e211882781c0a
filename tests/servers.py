"""Real MariaDB and Redis for tests and benchmarks: own processes, own folders, private sockets, gone at exit."""

import atexit
import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

START_SECONDS = 60


@dataclass(frozen=True)
class MariaDB:
    """A running server with one administrator whose password needs every kind of quoting."""

    socket: Path
    process: "subprocess.Popen[bytes]"
    user: str = "memoria"
    password: str = "p@ss:w/o?rd#%40"

    def url(self, database: str = "") -> str:
        credentials = f"{quote(self.user)}:{quote(self.password, safe='')}"
        return f"mysql://{credentials}@localhost/{database}?unix_socket={quote(str(self.socket))}"

    def execute(self, sql: str) -> str:
        """Run SQL as root with the command-line client; returns tab-separated rows."""
        command = [_program("mariadb"), "--no-defaults", "-uroot", f"-S{self.socket}", "-N", "-B", "-e", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def copy(self, database: str, name: str) -> None:
        """Make a database that holds what this one does."""
        self.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        login = ["--no-defaults", "-uroot", f"-S{self.socket}"]
        dump = [_program("mariadb-dump"), *login, "--skip-lock-tables", "--hex-blob", database]
        dumped = subprocess.run(dump, check=True, capture_output=True).stdout
        subprocess.run([_program("mariadb"), *login, name], input=dumped, check=True, capture_output=True)

    def stop(self) -> None:
        _stop(self.process)


@dataclass(frozen=True)
class Redis:
    socket: Path
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def stop(self) -> None:
        _stop(self.process)


def start_mariadb(*, durable: bool = False) -> MariaDB:
    """Start a fresh server; `durable` flushes at every commit, as production does, for benchmarks."""
    folder = _folder("mariadb")
    data, socket = folder / "data", folder / "s"
    account = [f"--user={getpass.getuser()}"]
    install = [_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", *account]
    install += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    subprocess.run(install, check=True, capture_output=True)
    serve = [
        _program("mariadbd"),
        "--no-defaults",
        f"--datadir={data}",
        f"--socket={socket}",
        "--skip-networking",
    ]
    serve += [
        *account,
        f"--pid-file={folder / 'pid'}",
        "--max-connections=400",
        "--innodb-buffer-pool-size=256M",
    ]
    serve += ["--table-open-cache=4000", "--table-definition-cache=4000", "--skip-log-bin"]
    serve += ["--innodb-flush-log-at-trx-commit=1"] if durable else ["--innodb-flush-log-at-trx-commit=2"]
    process = _start(serve, folder / "log")
    server = MariaDB(socket, process)
    _wait(lambda: _answers(server), process, folder / "log")
    server.execute(
        f"CREATE USER '{server.user}'@localhost IDENTIFIED BY '{server.password}';"
        f" GRANT ALL ON *.* TO '{server.user}'@localhost WITH GRANT OPTION"
    )
    return server


def start_redis() -> Redis:
    folder = _folder("redis")
    socket = folder / "s"
    command = [
        _program("redis-server"),
        "--port",
        "0",
        "--unixsocket",
        str(socket),
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    process = _start(command, folder / "log")
    _wait(socket.exists, process, folder / "log")
    return Redis(socket, process)


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed; `make test` installs it or says how")
    return found


def _folder(what: str) -> Path:
    """A short path in memory where there is room: data of tests need not survive, and sockets have a length
    limit.
    """
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix=f"memoria-{what}-", dir=base))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _start(command: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    atexit.register(_stop, process)
    return process


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(server: MariaDB) -> bool:
    try:
        server.execute("SELECT 1")
    except subprocess.CalledProcessError:
        return False
    return True


def _wait(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
