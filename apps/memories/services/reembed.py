"""Vectors for memories that have none of the configured model and width: after an outage, a migration, or another
model.

Works in small steps; retrieval meanwhile uses the vectors that are there and the words of the rest. Safe to stop and
to run again. Vectors belong to texts, so branches, history and restore points get theirs by the same step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from apps.memories.commits import clock_locked, commit
from apps.memories.models import Memory, Revision
from apps.memories.services.vectors import TextVectors, vectors_for
from apps.memories.view import MAIN
from apps.tenancy import sql
from apps.tenancy.scope import current_route, user_atomic
from apps.tenancy.services.embedding import embedding_note, embedding_refused
from memoria.ports import Embedder

log = structlog.get_logger(__name__)

TEXTS_PER_STEP = 64
# Whether an endpoint that refused some texts takes any.
TAKEN_BY_ALL = "?"
# A text that was refused is offered again by the same process after this time.
OFFERED_AGAIN = timedelta(hours=1)
REFUSALS_KEPT = 10_000
ACTOR = "memoria"


@dataclass(frozen=True, slots=True)
class Reembedded:
    texts: int
    refused: int
    """Texts that the endpoint does not take, while it takes others."""
    failed: int = 0
    """Texts that it did not answer for otherwise, while it answered for others: the next run offers them again."""


def reembed(*, embedder: Embedder, now: datetime) -> Reembedded:
    """Embed every text of the open user that lacks a vector of this model and width. Raises Unavailable where it
    fails; what was done until then stays done. A text that the endpoint refuses keeps none of the others waiting.
    """
    dim, done, failed = width(embedder), 0, set[str]()
    user_id, refused = current_route().user_id, set[str]()
    for texts in _lacking(embedder.model, dim):
        left_alone = {each for each in texts if _refusals.holds((user_id, embedder.model, each), now)}
        refused |= left_alone
        for found in _embedded({h: text for h, text in texts.items() if h not in left_alone}, embedder):
            if isinstance(found, TextVectors):
                _attach(found, now)
                done += len(found.fresh) + len(found.known)
            elif found.is_refused:
                refused.add(found.text_hash)
                _refusals.add((user_id, embedder.model, found.text_hash), now)
            else:
                failed.add(found.text_hash)
    if embedding_refused(user_id=user_id, count=len(refused)) and refused:
        log.warning("the endpoint refuses texts, which stay without vectors", count=len(refused))
    _note(embedder.model, dim)
    return Reembedded(done, len(refused), len(failed))


class _Refusals:
    """Texts that were refused lately, as this process knows: the job comes by every minute, and would offer each of
    them, and parts of what it lies among, for ever. Another process, as that of `manage.py reembed`, asks for itself.
    """

    def __init__(self) -> None:
        self._at: dict[tuple[str, str, str], datetime] = {}

    def holds(self, refused: tuple[str, str, str], now: datetime) -> bool:
        at = self._at.get(refused)
        return at is not None and now - at < OFFERED_AGAIN

    def add(self, refused: tuple[str, str, str], now: datetime) -> None:
        if len(self._at) >= REFUSALS_KEPT:
            self._at.clear()
        self._at[refused] = now


_refusals = _Refusals()


@dataclass(frozen=True, slots=True)
class _Left:
    """A text that got no vector by itself either."""

    text_hash: str
    is_refused: bool


def _embedded(texts: dict[str, str], embedder: Embedder) -> Iterator[TextVectors | _Left]:
    """The vectors of all texts, in parts where the whole fails, and which texts fail by themselves. Raises
    Unavailable when the endpoint takes nothing at all.
    """
    if not texts:
        return
    vectors = vectors_for(texts=texts, embedder=embedder)
    if vectors.failure is None:
        yield vectors
        return
    embedder.embed([TAKEN_BY_ALL])
    if len(texts) == 1:
        yield from (_Left(each, vectors.is_refused) for each in texts)
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
