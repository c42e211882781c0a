"""A user's database here as the proof reads it: by plain SQL, a page at a time, values made comparable."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from apps.legacy.services.old_side import decoded, time
from apps.tenancy import sql

PAGE, PAGE_BYTES = 2_000, 4_000_000
LONG_PAGE = 250
"""Rows in the first page of those that have long texts: how long is known only then."""


class NewMemory(NamedTuple):
    """A row of memories here, with its vector."""

    memory_id: str
    user_id: str
    author_id: str | None
    subject_id: str | None
    session_id: str | None
    memory_type: str
    content: str
    trust_tier: str
    superseded_by: str | None
    initial_confidence: float
    is_active: int
    source_event_ids: Any
    extra_metadata: Any
    observed_at: Any
    created_at: Any
    updated_at: Any
    content_hash: str
    search_text: str
    embedding_id: int | None
    born: int
    digest: int | None
    vector_hash: str | None
    vector_model: str | None
    vector_dim: int | None
    vector: bytes | None


WIDTH = len(NewMemory._fields)
_VERSIONED = NewMemory._fields[: NewMemory._fields.index("vector_hash")]


def memory_columns(of: str, vector: str) -> str:
    """The columns of NewMemory for a table and its embedding, by their aliases."""
    own = [f"{of}.{name}" for name in _VERSIONED]
    return ", ".join(own + [f"{vector}.{name}" for name in ("content_hash", "model", "dim", "vector")])


MEMORIES = "SELECT m.id, {} FROM {} m LEFT JOIN mem_embeddings e ON e.id = m.embedding_id"


_JSON = frozenset(("payload", "extra"))
_TIMES = frozenset(
    ("created_at", "updated_at", "last_accessed_at", "last_feedback_at", "last_repeated_at", "tuned_at")
)


def plain(table: str, columns: str, key: str, where: str = "1 = 1") -> Iterator[list[Any]]:
    """Columns of a table here, made comparable."""
    names = columns.split()
    listed = ", ".join(map(sql.quoted, names))
    for row in paged(f"SELECT {sql.quoted(key)}, {listed} FROM {table} WHERE {where}", sql.quoted(key)):
        yield [
            time(value) if name in _TIMES else decoded(value) if name in _JSON else value
            for name, value in zip(names, row, strict=True)
        ]


def new_memory(values: Sequence[Any]) -> NewMemory:
    row = NewMemory(*values)
    return row._replace(
        source_event_ids=decoded(row.source_event_ids), extra_metadata=decoded(row.extra_metadata)
    )


def is_same(row: NewMemory, main: NewMemory) -> bool:
    """All but the commit that made it and the digest, which an absent row does not have."""
    ignored = ("born", "digest")
    return row._replace(**dict.fromkeys(ignored)) == main._replace(**dict.fromkeys(ignored))  # type: ignore[arg-type]


def paged(
    statement: str, key: str, parameters: Iterable[Any] = (), first: int | None = None
) -> Iterator[tuple[Any, ...]]:
    """The rows of a statement without its first column, `key`, by which it is read a page at a time: a user may have
    more rows than memory. The first page has so many rows, the others as many as PAGE_BYTES take."""
    last: list[Any] = []
    size = first or PAGE
    while True:
        beyond = f" AND {key} > %s" if last else ""
        page = sql.query(f"{statement}{beyond} ORDER BY {key} LIMIT {size}", [*parameters, *last])
        yield from (row[1:] for row in page)
        if len(page) < size:
            return
        last = [page[-1][0]]
        length = sum(len(value) for row in page for value in row if isinstance(value, str | bytes))
        size = max(1, min(PAGE, PAGE_BYTES * len(page) // max(1, length)))
