"""The one write routine: storing, batches and everything else that remembers goes through `memories_write`."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.conf import settings

from apps.memories.audit import Entry, audit
from apps.memories.commits import Change, OpenCommit, commit
from apps.memories.models import Memory
from apps.memories.records import MemoryRecord, record
from apps.memories.services.entities import link_by_rules
from apps.memories.services.vectors import vectors_for
from apps.memories.view import MAIN, View
from apps.tenancy import sql
from apps.tenancy.scope import current_alias, current_route
from memoria.digest import content_hash
from memoria.drafts import Draft, cleaned
from memoria.errors import Blocked
from memoria.naming import memory_ids, owner_mark
from memoria.ports import Embedder
from memoria.signals import search_text


class Outcome(StrEnum):
    NEW = "new"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one draft: the memory that now says it, new or known before."""

    memory: MemoryRecord
    outcome: Outcome
    masked: tuple[str, ...] = ()
    """Kinds of personal data that were masked in it."""


def memories_write(
    *,
    drafts: Sequence[Draft],
    view: View,
    actor_id: str,
    operation: str,
    reason: str,
    now: datetime,
    embedder: Embedder | None,
) -> list[Written]:
    """Remember the drafts, in their order, all or none.

    Raises Blocked, naming the place in a batch, where one holds what the policy on secrets refuses. Embedding comes
    first and outside the transaction; where it fails the memories are kept and found by their words until it works
    again.
    """
    if not drafts:
        return []
    drafts, masked = _cleaned(drafts)
    hashes = [content_hash(draft.content) for draft in drafts]
    vectors = vectors_for(
        texts=dict(zip(hashes, (d.content for d in drafts), strict=True)), embedder=embedder
    )
    ids = memory_ids(now, os.urandom(4), owner_mark(current_alias()), len(drafts))
    with commit(view=view, operation=operation, actor_id=actor_id, now=now) as opened:
        embedding_ids = vectors.save()
        writer = _Writer(opened, actor_id, reason, hashes)
        written = [
            writer.write(
                draft, memory_id=memory_id, text_hash=text_hash, embedding_id=embedding_ids.get(text_hash)
            )
            for draft, memory_id, text_hash in zip(drafts, ids, hashes, strict=True)
        ]
        writer.finish()
    return [replace(each, masked=labels) for each, labels in zip(written, masked, strict=True)]


def _cleaned(drafts: Sequence[Draft]) -> tuple[list[Draft], list[tuple[str, ...]]]:
    kept, masked = [], []
    for place, draft in enumerate(drafts):
        try:
            clean, labels = cleaned(draft, settings.MEMORIA_REDACTION)
        except Blocked as error:
            raise Blocked(f"{error} in item {place}" if len(drafts) > 1 else str(error)) from None
        kept.append(clean)
        masked.append(labels)
    return kept, masked


def _rows_with(hashes: Sequence[str], view: View) -> Iterator[Any]:
    """Active rows of the view that say the same. Nearly always none, which one plain statement finds out."""
    if view == MAIN and len(hashes) <= sql.ROWS_PER_STATEMENT:
        same = f"SELECT 1 FROM mem_memories WHERE content_hash IN ({sql.marks(hashes)}) LIMIT 1"
        if not sql.query(same, hashes):
            return
    for source in view.sources():
        yield from source.filter(content_hash__in=hashes, is_active=True).order_by("memory_id")


class _Writer:
    """Collects what one commit does, so that a batch is a handful of statements."""

    def __init__(self, opened: OpenCommit, actor_id: str, reason: str, hashes: Sequence[str]) -> None:
        self._commit = opened
        self._actor_id = actor_id
        self._reason = reason
        self._new: dict[tuple[Any, ...], Memory] = {}
        self._entries: list[Entry] = []
        self._known: dict[tuple[Any, ...], Any] = {}
        for row in _rows_with(hashes, opened.view):
            self._known.setdefault((row.content_hash, row.memory_type, row.subject_id, row.session_id), row)

    def write(self, draft: Draft, *, memory_id: str, text_hash: str, embedding_id: int | None) -> Written:
        key = (text_hash, draft.memory_type, draft.subject_id, draft.session_id)
        known = self._new.get(key) or self._known.get(key)
        if known is not None:
            return self._repeat(known, draft)
        row = Memory(
            memory_id=memory_id,
            user_id=current_route().user_id,
            author_id=draft.author_id,
            subject_id=draft.subject_id,
            session_id=draft.session_id,
            memory_type=draft.memory_type,
            content=draft.content,
            trust_tier=draft.trust_tier,
            initial_confidence=draft.initial_confidence,
            source_event_ids=draft.source_event_ids,
            extra_metadata=draft.extra_metadata or None,
            observed_at=draft.observed_at,
            created_at=self._commit.now,
            content_hash=text_hash,
            search_text=search_text(draft.content),
            embedding_id=embedding_id,
        )
        self._new[key] = row
        self._entries.append(Entry("inject", memory_id, {"type": draft.memory_type}, self._reason))
        return Written(record(row), Outcome.NEW)

    def _repeat(self, known: Any, draft: Draft) -> Written:
        """The same said again: keep the first, and take over metadata that was given ({} clears it)."""
        if draft.extra_metadata is not None and (draft.extra_metadata or None) != (
            known.extra_metadata or None
        ):
            metadata = draft.extra_metadata or None
            if known._state.adding:
                known.extra_metadata = metadata
            else:
                self._commit.change(
                    [Change(known, {"extra_metadata": metadata, "updated_at": self._commit.now})]
                )
                known.extra_metadata = metadata
            payload = {"extra_metadata": metadata}
            reason = f"{self._reason}:dedup_metadata_refresh"
            self._entries.append(Entry("update_metadata", known.memory_id, payload, reason))
        return Written(record(known), Outcome.DUPLICATE)

    def finish(self) -> None:
        self._commit.insert(list(self._new.values()))
        link_by_rules({row.memory_id: row.content for row in self._new.values()}, now=self._commit.now)
        audit(self._entries, actor_id=self._actor_id, now=self._commit.now, seq=self._commit.seq)
