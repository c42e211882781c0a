"""Summing up a session as one episodic memory, by the language model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.memories.filters import Filters
from apps.memories.llm import LanguageModel
from apps.memories.records import MemoryRecord
from apps.memories.selectors import memory_list
from apps.memories.services.write import memories_write
from apps.memories.view import View
from memoria.drafts import draft
from memoria.errors import Invalid, NotFound, Unavailable
from memoria.ports import Embedder
from memoria.types import MemoryType

MEMORIES, BYTES_EACH = 200, 500
READ_AT_ONCE = 5_000
LIGHTWEIGHT = "lightweight"
TITLE, LIST = "Session Summary", "Session Highlights"

FULL_PROMPT = (
    "You sum up what happened in one session of work, from notes in the order they were made. Answer with one JSON"
    ' object: {"topic": "…", "action": "…", "outcome": "…"}. Each is one or two sentences in the language of the'
    " notes. State only what the notes say."
)
POINTS_PROMPT = (
    "You pick the highlights of one session of work, from notes in the order they were made. Answer with one JSON"
    ' object: {"points": ["…"]} with three to five short points in the language of the notes. State only what the'
    " notes say."
)


@dataclass(frozen=True, slots=True)
class Summary:
    memory: MemoryRecord
    is_truncated: bool
    """There were more memories than were read."""
    metadata: dict[str, Any]
    masked: tuple[str, ...]
    """Kinds of personal data that were masked in it."""


def session_summarise(
    *,
    model: LanguageModel,
    view: View,
    session_id: str,
    subject_id: str | None,
    mode: str,
    focus_topics: list[str],
    actor_id: str,
    now: datetime,
    embedder: Embedder | None,
) -> Summary:
    """Read the session's memories, oldest first, and remember their summary. Earlier summaries are not read: what
    they say would be said again. Raises NotFound, Unavailable, and Blocked where the model brings up a secret.
    """
    filters = Filters(session_id=session_id, subject_id=subject_id)
    page = memory_list(view=view, filters=filters, limit=READ_AT_ONCE)
    notes = [item for item in reversed(page.items) if not _is_summary(item)]
    if not notes:
        raise NotFound(f"No memories found for session {session_id}")
    lines = [note.content.encode()[:BYTES_EACH].decode(errors="ignore") for note in notes[:MEMORIES]]
    focus = (
        f"\n\nPay most attention to: {', '.join(focus_topics)}"
        if focus_topics and mode != LIGHTWEIGHT
        else ""
    )
    found = model.answer_json(
        system=POINTS_PROMPT if mode == LIGHTWEIGHT else FULL_PROMPT,
        user="\n".join(f"- {line}" for line in lines) + focus,
    )
    text, metadata = _highlights(found) if mode == LIGHTWEIGHT else _report(found, session_id)
    try:
        one = draft(
            content=text,
            now=now,
            memory_type=MemoryType.EPISODIC,
            session_id=session_id,
            subject_id=subject_id,
            extra_metadata=metadata,
        )
    except Invalid as error:  # the caller's request was all right
        raise Unavailable(f"LLM returned an unusable summary: {error}", retry_after=5) from None
    (written,) = memories_write(
        drafts=[one],
        view=view,
        actor_id=actor_id,
        operation="summary",
        reason="session_summary",
        now=now,
        embedder=embedder,
    )
    is_truncated = len(notes) > MEMORIES or page.next_cursor is not None
    return Summary(written.memory, is_truncated, written.memory.extra_metadata or {}, written.masked)


def _is_summary(memory: MemoryRecord) -> bool:
    """Whether it sums up others; those of an earlier server carry no mark but their words."""
    return memory.memory_type == MemoryType.EPISODIC and memory.content.startswith(
        (f"{TITLE}: ", f"{LIST}:\n")
    )


def _text(found: object) -> str:
    """What a model says in a field that should be one text: models like to send lists, or nothing."""
    if isinstance(found, list):
        return "; ".join(filter(None, map(_text, found)))
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    return " ".join(found.split()) if isinstance(found, str) else ""


def _report(found: dict[str, Any], session_id: str) -> tuple[str, dict[str, Any]]:
    topic, action, outcome = (_text(found.get(name)) for name in ("topic", "action", "outcome"))
    if not topic:
        raise Unavailable("LLM returned empty topic", retry_after=5)
    text = f"{TITLE}: {topic}\n\nActions: {action}\n\nOutcome: {outcome}"
    parts = {"topic": topic, "action": action, "outcome": outcome}
    return text, {"mode": "full", **parts, "session_id": session_id}


def _highlights(found: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    points = found.get("points")
    kept = [text for point in points if (text := _text(point))][:5] if isinstance(points, list) else []
    if not kept:
        raise Unavailable("Expected 'points' array", retry_after=5)
    text = "\n".join([f"{LIST}:", *(f"• {point}" for point in kept)])
    return text, {"mode": LIGHTWEIGHT, "points": kept}
