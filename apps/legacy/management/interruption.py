"""Ctrl-C and a polite end of the process."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from threading import current_thread, main_thread


class Interrupted(KeyboardInterrupt):
    def __init__(self, number: int) -> None:
        super().__init__("interrupted: what has arrived stays; repeat the command to go on")
        self.code = 128 + number


class Signals:
    """Lets Ctrl-C and a polite end of the process stop the work at once: nothing waits for children."""

    def __init__(self) -> None:
        self.interrupted: Interrupted | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        if current_thread() is not main_thread():  # only there may handlers be set
            yield
            return
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: object) -> None:
        for child in active_children():
            child.terminate()
        self.interrupted = Interrupted(number)
        raise self.interrupted

    def check(self) -> None:
        """Raise what a driver's callback has swallowed."""
        if self.interrupted is not None:
            raise self.interrupted
