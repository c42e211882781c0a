"""Vectors for memories that have none of the configured model and width: after an outage, a migration, or another
model.

Works in small steps; retrieval meanwhile uses the vectors that are there and the words of the rest. Safe to stop and
to run again. Vectors belong to texts, so branches, history and restore points get theirs by the same step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.memories.commits import clock_locked, commit
from apps.memories.models import Memory, Revision
from apps.memories.services.vectors import TextVectors, vectors_for
from apps.memories.view import MAIN
from apps.tenancy import sql
from apps.tenancy.scope import current_route, user_atomic
from apps.tenancy.services.embedding import embedding_note
from memoria.errors import Unavailable
from memoria.ports import Embedder

TEXTS_PER_STEP = 64
ACTOR = "memoria"


@dataclass(frozen=True, slots=True)
class Reembedded:
    texts: int


def reembed(*, embedder: Embedder, now: datetime) -> Reembedded:
    """Embed every text of the open user that lacks a vector of this model and width. Raises Unavailable where it
    fails; what was done until then stays done.
    """
    dim, done = width(embedder), 0
    for texts in _lacking(embedder.model, dim):
        vectors = vectors_for(texts=texts, embedder=embedder)
        if vectors.failure is not None:
            raise Unavailable(vectors.failure, retry_after=60)
        _attach(vectors, now)
        done += len(texts)
    _note(embedder.model, dim)
    return Reembedded(done)


def width(embedder: Embedder) -> int:
    """The width of the embedder's vectors; an endpoint that has not been asked yet is asked. Raises Unavailable."""
    return embedder.dim or embedder.embed(["?"]).shape[1]


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
