"""An even share of the requests for each process of a server.

The kernel gives a new connection to any process, and there it stays: of two processes one may have six busy clients
and the other two. So the processes tell each other in memory that they share how many requests they have, and one
that goes on having more than another ends a connection after its answer. The client's next one may go to the other.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from mmap import mmap
from pathlib import Path

import numpy as np
import structlog

log = structlog.get_logger(__name__)

_ROW = np.dtype([("process", np.uint32), ("requests", np.int32)])
# Two requests more than another process has, seen at so many in a row, are no accident.
MORE, IN_A_ROW = 2, 8


def shared_memory(processes: int) -> str:
    """Memory for the processes that this one is going to start, as a path that they can open; "" on systems without
    such memory. It lasts as long as this process, whatever program that runs. Each may have to be replaced before it
    is gone.
    """
    if not hasattr(os, "memfd_create"):
        return ""
    number = os.memfd_create("memoria-requests", 0)
    os.set_inheritable(number, True)
    os.ftruncate(number, 2 * processes * _ROW.itemsize)
    return f"/proc/{os.getpid()}/fd/{number}"


class Share:
    """What one process has of a server's requests."""

    def __init__(self, path: str) -> None:
        self._path = path
        with Path(path).open("r+b") as file:
            self._all = np.frombuffer(mmap(file.fileno(), 0), dtype=_ROW)
        self._lock = threading.Lock()
        self._seen = 0
        with self._alone():
            self._forget_the_dead()
            free = np.flatnonzero(self._all["process"] == 0)
            if not len(free):
                raise OSError("more processes than there is memory for")
            self._mine = int(free[0])
            self._all[self._mine] = os.getpid(), 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process changes who has which row."""
        with Path(self._path).open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _forget_the_dead(self) -> None:
        for row in np.flatnonzero(self._all["process"]):
            if not _is_alive(self._all["process"][row]):
                self._all[row] = 0, 0

    def add(self, requests: int) -> None:
        with self._lock:
            self._all["requests"][self._mine] += requests

    def is_too_large(self) -> bool:
        """Whether this process keeps having more requests than another; asked at the end of each."""
        requests = self._all["requests"]
        used = np.flatnonzero(self._all["process"])
        least = used[requests[used].argmin()]
        with self._lock:
            self._seen = self._seen + 1 if requests[self._mine] >= requests[least] + MORE else 0
            if self._seen < IN_A_ROW:
                return False
            self._seen = 0
        if _is_alive(self._all["process"][least]):
            return True
        with suppress(OSError), self._alone():  # it is gone with the process that started this one
            self._forget_the_dead()  # or it would be the one with least for ever
        return False


_share: Share | None = None


def take_share(path: str) -> None:
    """Let this process count among those that share this memory. Without a path it is the only one."""
    global _share
    try:
        _share = Share(path) if path else None
    except OSError as error:  # a sandbox may forbid it; without it some requests wait longer than others
        log.warning("the processes of this server cannot share its requests evenly", reason=str(error))


@contextmanager
def one_of_many() -> Iterator[Callable[[], bool]]:
    """Around a request: gives what says, at its end, whether to end its connection."""
    share = _share
    if share is None:
        yield lambda: False
        return
    share.add(1)
    try:
        yield share.is_too_large
    finally:
        share.add(-1)


def _is_alive(process: int) -> bool:
    try:
        os.kill(int(process), 0)
    except OSError:  # there is none of this number, or one of somebody else by now
        return False
    return True
