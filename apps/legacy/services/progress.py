"""Rows read so far, counted over all processes at work. Imports no model: a new process begins here."""

from multiprocessing.context import SpawnContext
from typing import Any

import django

_rows: Any = None


def counter(context: SpawnContext) -> Any:
    """A counter that `start` gives to every process."""
    return context.Value("q", 0)


def start_process(shared: Any) -> None:
    django.setup()
    start(shared)


def start(shared: Any) -> None:
    global _rows
    _rows = shared


def count(rows: int) -> None:
    with _rows.get_lock():
        _rows.value += rows
