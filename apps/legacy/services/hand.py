"""A process that works on the users its command gives it. Imports no model: it begins before there are any."""

import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

import django

from apps.legacy.services import progress

ROWS, RESULT, ERROR = "rows", "result", "error"


def work_on_users(command: Connection, threads: int) -> None:
    """Receive the work, then user ids until None; say rows as they are counted, and the result, or the error, of each
    user: (RESULT, user_id, result).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command ends its processes itself
    threading.Thread(target=_end_with_the_command, daemon=True).start()
    django.setup()
    saying = threading.Lock()

    def say(*message: Any) -> None:
        with saying:
            command.send(message)

    def do(work: Callable[[str], Any], user_id: str) -> None:
        try:
            said: tuple[Any, ...] = RESULT, user_id, work(user_id)
        except BaseException as error:
            said = ERROR, user_id, _portable(error)
        say(*said)

    progress.start(lambda rows: say(ROWS, None, rows))
    work = command.recv()
    with ThreadPoolExecutor(threads) as pool:
        while (user_id := command.recv()) is not None:
            pool.submit(do, work, user_id)


def _portable(error: BaseException) -> BaseException:
    """The error, or one that says the same where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  our own
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_the_command() -> None:
    """A command that was killed is given again: what it left at work must not write beside its successor."""
    command = parent_process()
    assert command is not None
    wait([command.sentinel])
    os._exit(1)
