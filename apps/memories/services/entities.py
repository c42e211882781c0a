"""Linking memories to what they are about: by the rules when they are written, or as a caller tells."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings

from apps.graph.selectors import linked_memory_ids
from apps.graph.services import Linked, memories_link
from apps.memories.commits import commit
from apps.memories.filters import ANY
from apps.memories.models import Memory
from apps.memories.records import MemoryRecord
from apps.memories.selectors import memory_list
from apps.memories.view import MAIN
from apps.tenancy.scope import user_atomic
from memoria.drafts import checked_text
from memoria.entities import NAME_LENGTH, Found, LinkSource, entities
from memoria.errors import Invalid
from memoria.redaction import clean, refuse_secrets

TYPE_LENGTH = 20
LISTED = 50
SEARCHED = 2_000


def link_by_rules(contents: Mapping[str, str], *, now: datetime) -> None:
    """Find entities in the texts (by memory id) and link them. Inside a commit."""
    found = {memory_id: entities(content) for memory_id, content in contents.items()}
    memories_link(found=found, source=LinkSource.RULES, now=now)


def unlinked() -> list[MemoryRecord]:
    """The newest active memories of main, up to 50, that are linked to nothing."""
    page = memory_list(view=MAIN, filters=ANY, limit=SEARCHED)
    linked = linked_memory_ids(item.memory_id for item in page.items)
    return [item for item in page.items if item.memory_id not in linked][:LISTED]


def link_unlinked(*, now: datetime) -> tuple[int, Linked]:
    """Let the rules read the unlinked memories once more. Returns how many were read, and what came of it."""
    found = {item.memory_id: entities(item.content) for item in unlinked()}
    with user_atomic():
        return len(found), memories_link(found=found, source=LinkSource.RULES, now=now)


def link_as_told(
    *, told: Mapping[str, Sequence[tuple[str, str]]], actor_id: str, now: datetime
) -> tuple[Linked, tuple[str, ...]]:
    """Link memories of main to entities given as (name, type). Unknown memories and blank names are passed over.
    Returns what came of it, and the kinds of personal data that were masked in names.

    Raises Invalid and Blocked. It is a commit, though no memory changes: retrieval takes links in by the change feed.
    """
    known = set(Memory.objects.filter(memory_id__in=list(told)).values_list("memory_id", flat=True))
    masked: dict[str, None] = {}
    found = {
        memory_id: [_entity(name.strip(), kind, masked) for name, kind in every if name.strip()]
        for memory_id, every in told.items()
        if memory_id in known
    }
    return link_found(found=found, source=LinkSource.MANUAL, actor_id=actor_id, now=now), tuple(masked)


def link_found(
    *, found: Mapping[str, Sequence[Found]], source: LinkSource, actor_id: str, now: datetime
) -> Linked:
    """Link memories of main to what was found in them. A commit, as above; none where nothing was found."""
    if not any(found.values()):
        return Linked(0, 0, 0)
    with commit(view=MAIN, operation="link", actor_id=actor_id, now=now):
        return memories_link(found=found, source=source, now=now)


def _entity(name: str, kind: str, masked: dict[str, None]) -> Found:
    if len(name) > NAME_LENGTH:
        raise Invalid(f"Validation error: entity name exceeds maximum length of {NAME_LENGTH} characters")
    if not kind or len(kind) > TYPE_LENGTH:
        raise Invalid(f"Validation error: entity type must have 1 to {TYPE_LENGTH} characters")
    checked_text(name, "entity name")
    checked_text(kind, "entity type")
    refuse_secrets(kind, settings.MEMORIA_REDACTION)
    kept = clean(name, settings.MEMORIA_REDACTION)
    masked.update(dict.fromkeys(kept.masked))
    return Found(kept.text.lower(), kept.text, kind)
