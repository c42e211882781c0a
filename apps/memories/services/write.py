"""The one write routine: everything that remembers, batches and corrections too, goes through `clean_write`."""

import operator
import os
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from django.db.models import Q

from apps.graph.services import memories_link
from apps.memories.audit import Entry, audit
from apps.memories.commits import Change, OpenCommit, commit
from apps.memories.models import Memory, Relation
from apps.memories.records import MemoryRecord, record
from apps.memories.selectors import row_find
from apps.memories.services.candidates import Candidates
from apps.memories.services.prepare import SHOWN_DIGITS, Clean, Prepared, all_clean
from apps.memories.services.stats import stat_add
from apps.memories.services.vectors import vectors_for
from apps.memories.view import MAIN, View
from apps.tenancy import sql
from apps.tenancy.scope import current_alias, current_route
from memoria.decisions import NEW, Action, Decision, Statement, relations, telling_keys
from memoria.drafts import Draft
from memoria.entities import LinkSource
from memoria.errors import NotFound
from memoria.naming import memory_ids, owner_mark
from memoria.ports import Embedder
from memoria.types import TrustTier

# Texts that came with masks in them and are looked up by one statement.
READ_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one draft: the memory that says it, new or known before, as the commit left it. A later draft of
    the same batch may have replaced it.
    """

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
    """Remember the drafts, in their order, all or none. Raises Blocked where one holds what the policy refuses."""
    return clean_write(
        items=all_clean(drafts),
        view=view,
        actor_id=actor_id,
        operation=operation,
        reason=reason,
        now=now,
        embedder=embedder,
    )


def clean_write(
    *,
    items: Sequence[Clean],
    view: View,
    actor_id: str,
    operation: str,
    reason: str,
    now: datetime,
    embedder: Embedder | None,
    corrects: str | None = None,
) -> list[Written]:
    """Remember what the policy has let through, in its order, all or none.

    Embedding and all that needs no database comes first and outside the transaction; where embedding fails the
    memories are kept and found by their words until it works again. `corrects` is the id of the active memory whose
    place the only item takes; raises NotFound where there is none.
    """
    if not items:
        return []
    ids = memory_ids(now, os.urandom(4), owner_mark(current_alias()), len(items))
    prepared = [Prepared(clean, memory_id) for clean, memory_id in zip(items, ids, strict=True)]
    vectors = vectors_for(
        texts={each.content_hash: each.draft.content for each in prepared}, embedder=embedder
    )
    for each in prepared:
        if (
            each.content_hash not in vectors.known
        ):  # else most likely said before: there is nothing to do then
            each.work_out()
    with commit(view=view, operation=operation, actor_id=actor_id, now=now) as opened:
        writer = _Writer(opened, reason, prepared, vectors.save())
        old = writer.corrected(corrects) if corrects is not None else None
        done = [writer.write(each, old) for each in prepared]
        audit(writer.finish(), actor_id=actor_id, now=now, seq=opened.seq)
    return [
        Written(record(row), decision, each.masked)
        for each, (row, decision) in zip(prepared, done, strict=True)
    ]


def _rows_with(hashes: Sequence[str], view: View) -> Iterator[Any]:
    """Active rows of the view that say the same. Nearly always none, which one plain statement finds out."""
    if view == MAIN and len(hashes) <= sql.ROWS_PER_STATEMENT:
        same = f"SELECT 1 FROM mem_memories WHERE content_hash IN ({sql.marks(hashes)}) LIMIT 1"
        if not sql.query(same, hashes):
            return
    for source in view.sources():
        for start in range(0, len(hashes), sql.ROWS_PER_STATEMENT):
            part = hashes[start : start + sql.ROWS_PER_STATEMENT]
            yield from source.filter(content_hash__in=part, is_active=True).order_by("memory_id")


def _rows_read_as(hashes: Sequence[str], view: View) -> Iterator[Any]:
    """Active rows of the view that are kept as texts of these hashes are, whatever their masks stand for."""
    begins = sorted({each[:SHOWN_DIGITS] for each in hashes})
    for start in range(0, len(begins), READ_AT_ONCE):
        ranges = [Q(content_hash__range=(each, f"{each}g")) for each in begins[start : start + READ_AT_ONCE]]
        for source in view.sources():
            yield from source.filter(reduce(operator.or_, ranges), is_active=True).order_by("memory_id")


def _statement(row: Any) -> Statement:
    return Statement(
        row.memory_id,
        row.content,
        row.memory_type,
        row.trust_tier,
        row.observed_at,
        row.session_id,
        row.subject_id,
    )


def _text(item: Prepared) -> tuple[str, str, str | None, str | None]:
    """What two memories have in common that say the same in the same place."""
    draft = item.draft
    return item.content_hash, draft.memory_type, draft.subject_id, draft.session_id


def _shown(row: Any) -> tuple[str, str, str | None, str | None]:
    """What a memory, or a draft, has in common with one that reads the same in the same place."""
    return row.content.strip(), row.memory_type, row.subject_id, row.session_id


def _rank(tier: str) -> int:
    """0 is the most trusted."""
    return list(TrustTier).index(TrustTier(tier))


class _Writer:
    """Collects what one commit does, so that a batch is a handful of statements. Rows of before are changed here as
    objects at once and in the database by `finish`.
    """

    def __init__(
        self, opened: OpenCommit, reason: str, prepared: Sequence[Prepared], embedding_ids: dict[str, int]
    ) -> None:
        self._commit = opened
        self._reason = reason
        self._embedding_ids = embedding_ids
        self._prepared = prepared
        self._rows: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        self._changes: dict[str, dict[str, Any]] = {}
        self._new: dict[str, tuple[Memory, Prepared]] = {}
        self._same: dict[tuple[Any, ...], Any] = {}
        self._entries: list[Entry] = []
        self._conflicts: list[Relation] = []
        self._candidates = Candidates(opened.view, self._rows)
        self._has_looked = False
        for row in _rows_with(list({each.content_hash for each in prepared}), opened.view):
            row = self._rows.setdefault(row.memory_id, row)
            self._same.setdefault((row.content_hash, row.memory_type, row.subject_id, row.session_id), row)
        self._read: dict[tuple[Any, ...], list[Any]] = {
            _shown(each.draft): [] for each in prepared if each.is_as_read
        }
        for row in _rows_read_as([each.content_hash for each in prepared if each.is_as_read], opened.view):
            rows = self._read.get(_shown(row), [])
            if all(row.memory_id != each.memory_id for each in rows):
                rows.append(self._rows.setdefault(row.memory_id, row))

    def corrected(self, memory_id: str) -> Any:
        """The memory that is to be corrected. Raises NotFound."""
        row = row_find(view=self._commit.view, memory_id=memory_id)
        return self._rows.setdefault(memory_id, correctable(row))

    def write(self, item: Prepared, old: Any = None) -> tuple[Any, Decision]:
        """Remember one item, in the place of `old` where it corrects that."""
        draft = item.draft
        if (known := self._known(item, old)) is not None:
            return self._again(known, item, Decision(Action.DUPLICATE, known.memory_id, "the same text"), old)
        candidates = self._compared_with(item.statement, item.keys)
        if old is not None:
            candidates.pop(old.memory_id, None)
        found = relations(item.statement, [_statement(row) for row in candidates.values()])
        decision = found[0] if found else NEW
        if decision.action is Action.DUPLICATE:
            return self._again(candidates[decision.memory_id or ""], item, decision, old)
        row = self._row(item)
        self._new[row.memory_id] = (row, item)
        self._same[_text(item)] = row
        self._read.get(_shown(row), []).append(row)
        for each in found:
            self._relate(row, candidates[each.memory_id or ""], each)
        self._candidates.add(row)
        if old is not None:
            self._correct(old, row)
            self._log("correct", row.memory_id, {"old_memory_id": old.memory_id}, reason="")
            return row, Decision(Action.UPDATE, old.memory_id, "corrected")
        suffix = ":supersede" if decision.action is Action.UPDATE else ""
        self._log("inject", row.memory_id, {"type": draft.memory_type}, suffix)
        return row, decision

    def _known(self, item: Prepared, old: Any) -> Any:
        """The active memory that says the same to the letter. Where the item came with its masks, one that reads the
        same does: rather the one that it corrects, rather one that came with them too, rather the newest.
        """
        same = self._same.get(_text(item))
        read = self._read.get(_shown(item.draft), []) if item.is_as_read else []
        of_old = [row for row in read if row is old]
        return next(
            (row for row in (*of_old, same, *reversed(read)) if row is not None and row.is_active), None
        )

    def _row(self, item: Prepared) -> Memory:
        draft = item.draft
        return Memory(
            memory_id=item.memory_id,
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
            content_hash=item.content_hash,
            search_text=item.search_text,
            embedding_id=self._embedding_ids.get(item.content_hash),
        )

    def _compared_with(self, statement: Statement, keys: tuple[str, ...]) -> dict[str, Any]:
        """What a statement has to be compared with. The first one has it looked up for all items that are new."""
        if not self._has_looked:
            self._has_looked = True
            news = (each for each in self._prepared if _text(each) not in self._same)
            self._candidates.load((each.statement, each.keys) for each in news)
        self._candidates.load([(statement, keys)])
        return self._candidates.of(statement, keys)

    def _relate(self, row: Any, other: Any, decision: Decision) -> None:
        if decision.action is Action.UPDATE:
            self._supersede(other, row, decision.reason)
        elif decision.action is Action.CONFLICT:
            self._conflicts.append(
                Relation(
                    memory_id=row.memory_id,
                    other_id=other.memory_id,
                    reason=decision.reason,
                    created_at=self._commit.now,
                )
            )

    def _supersede(self, old: Any, new: Any, reason: str) -> None:
        self._end(old, new)
        self._entries.append(Entry("supersede", old.memory_id, {"new_memory_id": new.memory_id}, reason))

    def _correct(self, old: Any, new: Any) -> None:
        self._end(old, new)
        self._log("correct", old.memory_id, {"new_memory_id": new.memory_id})

    def _end(self, old: Any, new: Any) -> None:
        self._change(old, is_active=False, superseded_by=new.memory_id)
        self._candidates.drop(old)

    def _again(self, known: Any, item: Prepared, decision: Decision, old: Any) -> tuple[Any, Decision]:
        """What is known already is said again, or another memory is corrected into it."""
        if old is not None and old is not known:
            self._correct(old, known)
            self._log("correct", known.memory_id, {"old_memory_id": old.memory_id}, reason="")
        self._repeat(known, item, is_merge=old is not None)
        return known, decision

    def _repeat(self, known: Any, item: Prepared, *, is_merge: bool) -> None:
        """Keep the first, count it, and take over metadata that was given ({} clears it)."""
        draft = item.draft
        stat_add(
            memory_id=known.memory_id,
            counter="repeat_count",
            moment="last_repeated_at",
            now=draft.observed_at,
        )
        if _rank(draft.trust_tier) < _rank(known.trust_tier) and draft.may_replace:
            self._confirm(known, draft)
        metadata = draft.extra_metadata or None
        if draft.extra_metadata is None or metadata == (known.extra_metadata or None):
            return
        if is_merge and known.extra_metadata:  # it keeps what was said of it
            return
        self._change(known, extra_metadata=metadata)
        self._log("update_metadata", known.memory_id, {"extra_metadata": metadata}, ":dedup_metadata_refresh")

    def _confirm(self, known: Any, draft: Draft) -> None:
        """Somebody better trusted says it too: it is trusted as much from now on, and ends what it is news of."""
        self._change(
            known,
            trust_tier=draft.trust_tier,
            initial_confidence=max(draft.initial_confidence, known.initial_confidence),
            observed_at=max(draft.observed_at, known.observed_at),
        )
        self._log("confirm", known.memory_id, {"trust_tier": draft.trust_tier}, ":confirmed")
        statement = _statement(known)
        others = self._compared_with(statement, telling_keys(statement))
        for each in relations(statement, [_statement(row) for row in others.values()]):
            if each.action is Action.UPDATE:
                self._supersede(others[each.memory_id or ""], known, each.reason)

    def _log(
        self,
        operation: str,
        memory_id: str,
        payload: dict[str, Any],
        suffix: str = "",
        *,
        reason: str | None = None,
    ) -> None:
        because = self._reason + suffix if reason is None else reason
        self._entries.append(Entry(operation, memory_id, payload, because))

    def _change(self, row: Any, **values: Any) -> None:
        """Give a row new values; one that is not written yet simply has them."""
        if row.memory_id not in self._new:
            self._before.setdefault(row.memory_id, copy(row))
            values["updated_at"] = self._commit.now
            self._changes.setdefault(row.memory_id, {}).update(values)
        for name, value in values.items():
            setattr(row, name, value)

    def finish(self) -> list[Entry]:
        """Write all of it. Returns what is to be said of it in the audit trail."""
        self._commit.insert([row for row, _ in self._new.values()])
        self._commit.change(
            Change(before, self._changes[memory_id]) for memory_id, before in self._before.items()
        )
        sql.insert(self._conflicts)
        found = {memory_id: item.entities for memory_id, (_, item) in self._new.items()}
        memories_link(found=found, source=LinkSource.RULES, now=self._commit.now)
        return self._entries


def correctable(row: Any) -> Any:
    """The row, if it can be corrected. Raises NotFound, which says what is in its place now."""
    if row is None:
        raise NotFound("Memory not found")
    if not row.is_active:
        successor = f": it was replaced by {row.superseded_by}" if row.superseded_by else ": it was deleted"
        raise NotFound(f"Memory not found{successor}")
    return row
