"""Vectors for memories that have none of the configured model and width: after an outage, a migration, or another
model.

Works in small steps; retrieval meanwhile uses the vectors that are there and the words of the rest. Safe to stop and
to run again. Vectors belong to texts, so branches, history and restore points get theirs by the same step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from apps.memories.commits import clock_locked, commit
from apps.memories.models import Memory, Revision
from apps.memories.services.vectors import TextVectors, vectors_for
from apps.memories.view import MAIN
from apps.tenancy import sql
from apps.tenancy.scope import current_route, user_atomic
from apps.tenancy.services.embedding import embedding_note
from memoria.ports import Embedder

log = structlog.get_logger(__name__)

TEXTS_PER_STEP = 64
# Whether an endpoint that refused some texts takes any.
TAKEN_BY_ALL = "?"
ACTOR = "memoria"


@dataclass(frozen=True, slots=True)
class Reembedded:
    texts: int
    refused: int
    """Texts that the endpoint does not take, while it takes others."""


def reembed(*, embedder: Embedder, now: datetime) -> Reembedded:
    """Embed every text of the open user that lacks a vector of this model and width. Raises Unavailable where it
    fails; what was done until then stays done. A text that the endpoint refuses keeps none of the others waiting.
    """
    dim, done, refused = width(embedder), 0, 0
    for texts in _lacking(embedder.model, dim):
        for vectors in _embedded(texts, embedder):
            if vectors is None:
                refused += 1
                continue
            _attach(vectors, now)
            done += len(vectors.fresh) + len(vectors.known)
    if refused:
        log.warning("the endpoint refuses texts, which stay without vectors", count=refused)
    _note(embedder.model, dim)
    return Reembedded(done, refused)


def _embedded(texts: dict[str, str], embedder: Embedder) -> Iterator[TextVectors | None]:
    """The vectors of all texts, in parts where the whole is refused; None for a text that is refused by itself.
    Raises Unavailable when the endpoint takes nothing at all.
    """
    vectors = vectors_for(texts=texts, embedder=embedder)
    if vectors.failure is None:
        yield vectors
        return
    embedder.embed([TAKEN_BY_ALL])
    if len(texts) == 1:
        yield None
        return
    every, half = list(texts.items()), len(texts) // 2
    yield from _embedded(dict(every[:half]), embedder)
    yield from _embedded(dict(every[half:]), embedder)


def width(embedder: Embedder) -> int:
    """The width of the embedder's vectors; an endpoint that has not been asked yet is asked. Raises Unavailable."""
    return embedder.dim or embedder.embed([TAKEN_BY_ALL]).shape[1]


def _lacking(model: str, dim: int) -> Iterator[dict[str, str]]:
    """Texts by content hash, a step at a time, read anew each time: what was attached is lacking no more."""
    for table in (Memory, Revision):
        last = 0
        while rows := _rows_lacking(table, model, dim, after=last, limit=TEXTS_PER_STEP):
            last = rows[-1][0]
            yield {text_hash: content for _, text_hash, content in rows}


def _rows_lacking(
    table: type[Memory] | type[Revision], model: str, dim: int, *, after: int, limit: int
) -> list[tuple[Any, ...]]:
    return sql.query(
        f"SELECT m.id, m.content_hash, m.content FROM {table._meta.db_table} m"
        " LEFT JOIN mem_embeddings e ON e.id = m.embedding_id"
        " WHERE m.id > %s AND (e.id IS NULL OR e.model <> %s OR e.dim <> %s) ORDER BY m.id LIMIT %s",
        [after, model, dim, limit],
    )


def _note(model: str, dim: int) -> None:
    """Say that nothing is lacking, unless something came meanwhile; no commit can while the clock is held."""
    with user_atomic():
        clock_locked()
        if not any(_rows_lacking(table, model, dim, after=0, limit=1) for table in (Memory, Revision)):
            embedding_note(user_id=current_route().user_id, model=model, dim=dim)


def _attach(vectors: TextVectors, now: datetime) -> None:
    """Point all rows with these texts to their vectors. A commit without changes: readers' caches follow commits."""
    with commit(view=MAIN, operation="embed", actor_id=ACTOR, now=now):
        ids = vectors.save()
        for table in ("mem_memories", "mem_revisions"):
            sql.execute_many(
                f"UPDATE {table} SET embedding_id = %s WHERE content_hash = %s",
                [[embedding_id, text_hash] for text_hash, embedding_id in ids.items()],
            )
