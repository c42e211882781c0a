"""Forgetting: memories are deactivated in one commit that a restore point can undo."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from apps.memories.audit import Entry, audit
from apps.memories.commits import Change, commit
from apps.memories.filters import Filters
from apps.memories.view import View
from apps.versioning.services.snapshots import restore_point_create
from memoria.drafts import checked_type
from memoria.errors import Invalid, NotFound
from memoria.redaction import clean, scrubbed

TOPIC_BYTES = 3
IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class Purge:
    """What to forget: exactly one of ids, topic or session; types narrow a session. Make one with `purge_of`."""

    memory_ids: tuple[str, ...] = ()
    topic: str | None = None
    session_id: str | None = None
    memory_types: tuple[str, ...] = ()

    @property
    def selection(self) -> str:
        """How they were found, where not by their ids; the reason on record where none was given."""
        if self.topic is not None:
            return f"topic:{self.topic}"
        return f"session:{self.session_id}" if self.session_id is not None else ""


@dataclass(frozen=True, slots=True)
class Purged:
    """The memories that were, or in a dry run would be, forgotten."""

    memory_ids: list[str]
    restore_point: str | None
    masked: tuple[str, ...] = ()
    """Kinds of personal data that were masked in what is kept of it: the reason, or how they were found."""


def purge_of(
    *,
    memory_ids: Sequence[str] | None = None,
    topic: str | None = None,
    session_id: str | None = None,
    memory_types: Sequence[str] | None = None,
) -> Purge | None:
    """Check a caller's selection. None when nothing was selected. Raises Invalid."""
    ids = tuple(dict.fromkeys(memory_id for memory_id in memory_ids or () if memory_id.strip()))
    topic = (topic or "").strip() or None
    session_id = session_id if (session_id or "").strip() else None
    types = tuple(checked_type(text) for text in memory_types or () if text.strip())
    if types and session_id is None:
        raise Invalid("memory_types requires session_id")
    if sum(map(bool, (ids, topic, session_id))) > 1:
        raise Invalid("provide only one of memory_ids, topic, or session_id")
    if topic is not None and len(topic.encode(errors="replace")) < TOPIC_BYTES:
        raise Invalid("Validation error: topic must be at least 3 characters")
    if not (ids or topic or session_id):
        return None
    return Purge(ids, topic, session_id, types)


def memories_purge(
    *,
    wanted: Purge,
    view: View,
    actor_id: str,
    now: datetime,
    reason: str = "",
    must_exist: bool = True,
    dry_run: bool = False,
) -> Purged:
    """Deactivate what matches. With `must_exist`, an id that is not an active memory stops everything (NotFound).

    Nothing is written, and no restore point made, where nothing matches. Raises Blocked for a secret in the reason.
    """
    why = clean(reason, settings.MEMORIA_REDACTION)
    # What slipped in earlier is forgotten by naming it, and must not come to stay by that.
    selection = scrubbed(wanted.selection, settings.MEMORIA_REDACTION)
    if dry_run or not (found := _matching(wanted, view, must_exist)):
        return Purged(sorted(row.memory_id for row in _matching(wanted, view, must_exist)), None)
    with commit(view=view, operation="purge", actor_id=actor_id, now=now) as opened:
        found = _matching(wanted, view, must_exist)
        point = restore_point_create(operation="purge", now=now, behind=1)
        opened.change(Change(row, {"is_active": False, "updated_at": now}) for row in found)
        payload = {"selected_by": selection.text} if selection.text else None
        audit(
            (Entry("purge", row.memory_id, payload, why.text or selection.text) for row in found),
            actor_id=actor_id,
            now=now,
            seq=opened.seq,
            snapshot_before=point,
        )
    masked = tuple(dict.fromkeys((*why.masked, *selection.masked)))
    return Purged(sorted(row.memory_id for row in found), point, masked)


def _matching(wanted: Purge, view: View, must_exist: bool) -> list[Any]:
    """Active rows that the selection names, each once."""
    found: dict[str, Any] = {}
    if wanted.memory_ids:
        for start in range(0, len(wanted.memory_ids), IDS_PER_QUERY):
            part = wanted.memory_ids[start : start + IDS_PER_QUERY]
            _collect(found, view, Filters(), memory_id__in=part)
        missing = [memory_id for memory_id in wanted.memory_ids if memory_id not in found]
        if missing and must_exist:
            raise NotFound(f"Memory not found: {missing[0]}")
    elif wanted.session_id is not None:
        _collect(found, view, Filters(session_id=wanted.session_id, memory_types=wanted.memory_types))
    else:
        needle = (wanted.topic or "").casefold()
        ids = [
            memory_id
            for source in view.sources()
            for memory_id, content in Filters().apply(source).values_list("memory_id", "content").iterator()
            if needle in content.casefold()
        ]
        for start in range(0, len(ids), IDS_PER_QUERY):
            _collect(found, view, Filters(), memory_id__in=ids[start : start + IDS_PER_QUERY])
    return list(found.values())


def _collect(found: dict[str, Any], view: View, filters: Filters, **conditions: Any) -> None:
    for source in view.sources():
        for row in filters.apply(source).filter(**conditions):
            found.setdefault(row.memory_id, row)
