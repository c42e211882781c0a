"""The one write routine: storing, batches and everything else that remembers goes through `memories_write`."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings

from apps.memories.audit import Entry, audit
from apps.memories.commits import Change, OpenCommit, commit
from apps.memories.filters import Filters
from apps.memories.models import Memory, Relation
from apps.memories.records import MemoryRecord, record
from apps.memories.services.entities import link_by_rules
from apps.memories.services.stats import stat_add
from apps.memories.services.vectors import vectors_for
from apps.memories.text_index import holding_any, ids_holding_any
from apps.memories.view import MAIN, View
from apps.tenancy import sql
from apps.tenancy.scope import current_alias, current_route
from memoria.decisions import NEW, Action, Decision, Statement, relations, telling_keys
from memoria.digest import content_hash
from memoria.drafts import Draft, cleaned
from memoria.errors import Blocked
from memoria.naming import memory_ids, owner_mark
from memoria.ports import Embedder
from memoria.search_text import search_text
from memoria.types import TrustTier

# Memories that a new one is compared with, at most.
CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one draft: the memory that now says it, new or known before."""

    memory: MemoryRecord
    decision: Decision
    """What it is to the memories known before: new, the same again, an update of one, or in conflict with one."""
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


def _statement(memory_id: str, said: Draft | Memory) -> Statement:
    return Statement(
        memory_id,
        said.content,
        said.memory_type,
        said.trust_tier,
        said.observed_at,
        said.session_id,
        said.subject_id,
        getattr(said, "may_replace", True),
    )


class _Writer:
    """Collects what one commit does, so that a batch is a handful of statements."""

    def __init__(self, opened: OpenCommit, actor_id: str, reason: str, hashes: Sequence[str]) -> None:
        self._commit = opened
        self._actor_id = actor_id
        self._reason = reason
        self._new: dict[tuple[Any, ...], Memory] = {}
        self._entries: list[Entry] = []
        self._known: dict[tuple[Any, ...], Any] = {}
        self._replaced: list[Change] = []
        self._superseded: set[str] = set()
        self._conflicts: list[Relation] = []
        for row in _rows_with(hashes, opened.view):
            self._known.setdefault((row.content_hash, row.memory_type, row.subject_id, row.session_id), row)

    def write(self, draft: Draft, *, memory_id: str, text_hash: str, embedding_id: int | None) -> Written:
        key = (text_hash, draft.memory_type, draft.subject_id, draft.session_id)
        known = self._new.get(key) or self._known.get(key)
        if known is not None and known.memory_id not in self._superseded:
            return self._repeat(known, draft, Decision(Action.DUPLICATE, known.memory_id, "the same text"))
        statement = _statement(memory_id, draft)
        candidates = self._candidates(statement)
        found = relations(statement, [_statement(row.memory_id, row) for row in candidates.values()])
        decision = found[0] if found else NEW
        if decision.action is Action.DUPLICATE:
            return self._repeat(candidates[decision.memory_id or ""], draft, decision)
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
        reason = self._reason
        if decision.action is Action.UPDATE:
            reason += ":supersede"
        for each in found:
            self._relate(row, candidates[each.memory_id or ""], each)
        self._entries.append(Entry("inject", memory_id, {"type": draft.memory_type}, reason))
        return Written(record(row), decision)

    def _relate(self, row: Any, old: Any, decision: Decision) -> None:
        if decision.action is Action.UPDATE:
            self._supersede(old, row, decision.reason)
        elif decision.action is Action.CONFLICT:
            self._conflicts.append(
                Relation(
                    memory_id=row.memory_id,
                    other_id=old.memory_id,
                    reason=decision.reason,
                    created_at=self._commit.now,
                )
            )

    def _candidates(self, statement: Statement) -> dict[str, Any]:
        """Active memories that share a decision key with the new one, among them those of this very batch."""
        keys = telling_keys(statement)
        if not keys:
            return {}
        wanted = Filters(memory_types=(statement.memory_type,), subject_id=statement.subject_id)
        found: dict[str, Any] = {}
        for source in self._commit.view.sources():
            ids = ids_holding_any(source, keys, CANDIDATES)
            if not ids:  # nearly always
                continue
            rows = wanted.apply(source).filter(subject_id=statement.subject_id)
            if len(ids) < CANDIDATES:
                rows = rows.filter(id__in=ids)
            else:  # of other subjects, types or times most of them
                rows = holding_any(rows, keys).order_by("-id")[:CANDIDATES]
            for row in rows:
                found.setdefault(row.memory_id, row)
        found |= {
            row.memory_id: row for row in self._new.values() if set(keys) & set(row.search_text.split())
        }
        return {memory_id: row for memory_id, row in found.items() if memory_id not in self._superseded}

    def _supersede(self, old: Any, new: Memory, reason: str) -> None:
        self._superseded.add(old.memory_id)
        values = {"is_active": False, "superseded_by": new.memory_id, "updated_at": self._commit.now}
        if old._state.adding:  # of this batch: not written yet
            for name, value in values.items():
                setattr(old, name, value)
        else:
            self._replaced.append(Change(old, values))
        self._entries.append(Entry("supersede", old.memory_id, {"new_memory_id": new.memory_id}, reason))

    def _repeat(self, known: Any, draft: Draft, decision: Decision) -> Written:
        """The same said again: keep the first, count it, and take over metadata that was given ({} clears it)."""
        stat_add(
            memory_id=known.memory_id, counter="repeat_count", moment="last_repeated_at", now=self._commit.now
        )
        if list(TrustTier).index(draft.trust_tier) < list(TrustTier).index(TrustTier(known.trust_tier)):
            self._confirm(known, draft)
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
        return Written(record(known), decision)

    def _confirm(self, known: Any, draft: Draft) -> None:
        """Somebody better trusted says it too: it is trusted as much from now on, and ends what it is news of."""
        values = {
            "trust_tier": draft.trust_tier,
            "initial_confidence": max(draft.initial_confidence, known.initial_confidence),
            "observed_at": max(draft.observed_at, known.observed_at),
        }
        if not known._state.adding:
            self._commit.change([Change(known, {**values, "updated_at": self._commit.now})])
        for name, value in values.items():
            setattr(known, name, value)
        self._entries.append(
            Entry("confirm", known.memory_id, {"trust_tier": draft.trust_tier}, f"{self._reason}:confirmed")
        )
        statement = _statement(known.memory_id, known)
        others = {i: row for i, row in self._candidates(statement).items() if i != known.memory_id}
        for each in relations(statement, [_statement(row.memory_id, row) for row in others.values()]):
            if each.action is Action.UPDATE:
                self._supersede(others[each.memory_id or ""], known, each.reason)

    def finish(self) -> None:
        self._commit.insert(list(self._new.values()))
        self._commit.change(self._replaced)
        sql.insert(self._conflicts)
        link_by_rules({row.memory_id: row.content for row in self._new.values()}, now=self._commit.now)
        audit(self._entries, actor_id=self._actor_id, now=self._commit.now, seq=self._commit.seq)
