"""Small control-plane writes that may wait a few seconds, gathered per process and written in one batch.

The hot path must not write the control plane: every request of every user would queue for one writer.
"""

import atexit
import multiprocessing.util
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog
from django.db import connections

log = structlog.get_logger(__name__)

K = TypeVar("K")
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Keeps the newest value per key and hands all of them to `write` every `interval_seconds`.

    Holds at most `bound` keys; further ones are dropped and counted. A failing write is tried again at the
    next turn. The thread starts with the first value; what is left is written when the process ends.
    """

    def __init__(
        self,
        *,
        name: str,
        write: Callable[[dict[K, V]], None],
        interval_seconds: float = 5,
        bound: int = 10_000,
    ) -> None:
        self.name = name
        self.dropped_count = 0
        self._write = write
        self._interval_seconds = interval_seconds
        self._bound = bound
        self._reset()
        _coalescers.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[K, V] = {}
        self._thread: threading.Thread | None = None

    def put(self, key: K, value: V) -> None:
        with self._lock:
            if key not in self._values and len(self._values) >= self._bound:
                self.dropped_count += 1
                return
            self._values[key] = value
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"coalesce-{self.name}", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Write what is there now; on failure put it back, unless a newer value has come meanwhile."""
        with self._lock:
            values, self._values = self._values, {}
        if not values:
            return
        try:
            self._write(values)
        except Exception as error:  # any engine error: these writes may be late, they must not end the thread
            log.warning(
                "a background write failed and will be repeated", what=self.name, error=type(error).__name__
            )
            with self._lock:
                kept = {**values, **self._values}
                self.dropped_count += max(0, len(kept) - self._bound)
                self._values = dict(list(kept.items())[: self._bound])

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._interval_seconds):
            self.flush()
            connections.close_all()


_coalescers: "weakref.WeakSet[Coalescer[Any, Any]]" = weakref.WeakSet()


def flush_all() -> None:
    for coalescer in list(_coalescers):
        coalescer.flush()


def _after_fork() -> None:
    for coalescer in list(_coalescers):
        coalescer._reset()


atexit.register(flush_all)
# The HTTP server's workers are children that end without running atexit; this is what they run instead.
multiprocessing.util.Finalize(None, flush_all, exitpriority=10)
os.register_at_fork(after_in_child=_after_fork)
