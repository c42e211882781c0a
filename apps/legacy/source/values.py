"""Rows of the old database as they come, in batches, and their values as text."""

from collections.abc import Iterable, Iterator
from typing import Any

BATCH, BATCH_BYTES = 1_000, 4_000_000
"""So many rows at once, and of long ones fewer: a thousand of the longest texts took half a gigabyte to work on."""
FETCHED_AT_ONCE = 100
Row = dict[str, Any]


def as_text(value: Any) -> str | None:
    """Text to compare and to show. What is no UTF-8 becomes text that no name of ours is: nothing here takes it."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return None if value is None else str(value)


def as_shown(value: Any) -> str:
    """A value for a message, whatever is in it."""
    return repr(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value)


def batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows a batch at a time: BATCH of them, or as many as have BATCH_BYTES."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def parts(items: Iterable[Any], size: int = 500) -> Iterator[list[Any]]:
    """Lists of so many items, as many as one statement takes well."""
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
