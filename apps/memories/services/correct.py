"""Correcting: a new memory takes the place of an old one, which stays as its history."""

import os
from datetime import datetime

from django.conf import settings

from apps.memories.audit import Entry, audit
from apps.memories.commits import Change, commit
from apps.memories.models import Memory
from apps.memories.records import record
from apps.memories.selectors import row_find
from apps.memories.services.entities import link_by_rules
from apps.memories.services.vectors import vectors_for
from apps.memories.services.write import Written
from apps.memories.view import View
from apps.tenancy.scope import current_alias
from memoria.decisions import Action, Decision
from memoria.digest import content_hash
from memoria.drafts import checked_content
from memoria.errors import NotFound
from memoria.naming import memory_ids, owner_mark
from memoria.ports import Embedder
from memoria.redaction import clean
from memoria.search_text import search_text
from memoria.types import INITIAL_CONFIDENCE, TrustTier


def memory_correct(
    *,
    view: View,
    memory_id: str,
    new_content: str,
    reason: str,
    actor_id: str,
    now: datetime,
    embedder: Embedder | None,
) -> Written:
    """Replace an active memory's text. The new one keeps type, session, subject, author and metadata, is curated (T2)
    and remembers where it came from. Raises Blocked and NotFound; of two corrections at once the second finds nothing
    to correct.
    """
    cleaned = clean(checked_content(new_content), settings.MEMORIA_REDACTION)
    new_content = cleaned.text
    text_hash = content_hash(new_content)
    if (known := row_find(view=view, memory_id=memory_id)) is None or not known.is_active:
        raise NotFound("Memory not found")
    vectors = vectors_for(texts={text_hash: new_content}, embedder=embedder)
    with commit(view=view, operation="correct", actor_id=actor_id, now=now) as opened:
        old = row_find(view=view, memory_id=memory_id)
        if old is None or not old.is_active:
            raise NotFound("Memory not found")
        new = Memory(
            memory_id=memory_ids(now, os.urandom(4), owner_mark(current_alias()))[0],
            user_id=old.user_id,
            author_id=old.author_id,
            subject_id=old.subject_id,
            session_id=old.session_id,
            memory_type=old.memory_type,
            content=new_content,
            trust_tier=TrustTier.CURATED,
            initial_confidence=INITIAL_CONFIDENCE[TrustTier.CURATED],
            source_event_ids=[f"correct:{memory_id}"],
            extra_metadata=old.extra_metadata,
            observed_at=now,
            created_at=now,
            content_hash=text_hash,
            search_text=search_text(new_content),
            embedding_id=vectors.save().get(text_hash),
        )
        opened.insert([new])
        link_by_rules({new.memory_id: new_content}, now=now)
        opened.change([Change(old, {"is_active": False, "superseded_by": new.memory_id, "updated_at": now})])
        entries = [
            Entry("correct", memory_id, {"new_memory_id": new.memory_id}, reason),
            Entry("correct", new.memory_id, {"old_memory_id": memory_id}),
        ]
        audit(entries, actor_id=actor_id, now=now, seq=opened.seq)
    return Written(record(new), Decision(Action.UPDATE, memory_id, "corrected"), tuple(cleaned.masked))
