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
from memoria.errors import NotFound, Unavailable
from memoria.ports import Embedder
from memoria.types import MemoryType

MEMORIES, BYTES_EACH = 200, 500
READ_AT_ONCE = 5_000
LIGHTWEIGHT = "lightweight"

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
    """Read the session's memories, oldest first, and remember their summary. Raises NotFound and Unavailable."""
    filters = Filters(session_id=session_id, subject_id=subject_id)
    page = memory_list(view=view, filters=filters, limit=READ_AT_ONCE)
    notes = list(reversed(page.items))
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
    one = draft(
        content=text,
        now=now,
        memory_type=MemoryType.EPISODIC,
        session_id=session_id,
        subject_id=subject_id,
        extra_metadata=metadata,
    )
    (written,) = memories_write(
        drafts=[one],
        view=view,
        actor_id=actor_id,
        operation="summary",
        reason="session_summary",
        now=now,
        embedder=embedder,
    )
    return Summary(written.memory, len(notes) > MEMORIES or page.next_cursor is not None, metadata)


def _report(found: dict[str, Any], session_id: str) -> tuple[str, dict[str, Any]]:
    topic, action, outcome = (str(found.get(name) or "").strip() for name in ("topic", "action", "outcome"))
    if not topic:
        raise Unavailable("LLM returned empty topic", retry_after=5)
    text = f"Session Summary: {topic}\n\nActions: {action}\n\nOutcome: {outcome}"
    parts = {"topic": topic, "action": action, "outcome": outcome}
    return text, {"mode": "full", **parts, "session_id": session_id}


def _highlights(found: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    points = found.get("points")
    if not isinstance(points, list) or not points:
        raise Unavailable("Expected 'points' array", retry_after=5)
    kept = [str(point).strip() for point in points[:5]]
    return "\n".join(["Session Highlights:", *(f"• {point}" for point in kept)]), {
        "mode": LIGHTWEIGHT,
        "points": kept,
    }
