"""Correcting: what the user says instead takes the place of a memory, which stays as its history."""

from dataclasses import replace
from datetime import datetime

from django.conf import settings

from apps.memories.selectors import row_find
from apps.memories.services.prepare import all_clean
from apps.memories.services.write import Written, clean_write, correctable
from apps.memories.view import View
from memoria.drafts import draft
from memoria.ports import Embedder
from memoria.redaction import clean
from memoria.types import TrustTier


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
    """Replace an active memory's text, whatever its tier. The new one keeps type, session, subject, author and
    metadata, is curated (T2) and remembers where it came from. Where another active memory says the same already,
    that one takes the place; where the memory itself does, nothing is replaced.

    Raises Invalid, Blocked and NotFound; of two corrections at once the second finds nothing to correct.
    """
    old = correctable(row_find(view=view, memory_id=memory_id))
    why = clean(reason, settings.MEMORIA_REDACTION)
    (new,) = all_clean([draft(content=new_content, now=now, trust_tier=TrustTier.CURATED)])
    in_its_place = replace(
        new.draft,
        memory_type=old.memory_type,
        session_id=old.session_id,
        subject_id=old.subject_id,
        author_id=old.author_id,
        extra_metadata=old.extra_metadata,
        source_event_ids=[f"correct:{memory_id}"],
    )
    (written,) = clean_write(
        items=[replace(new, draft=in_its_place, masked=tuple(dict.fromkeys((*new.masked, *why.masked))))],
        view=view,
        actor_id=actor_id,
        operation="correct",
        reason=why.text,
        now=now,
        embedder=embedder,
        corrects=memory_id,
    )
    return written
