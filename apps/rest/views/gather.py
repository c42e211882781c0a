"""Remembering in bulk: /v1/observe for conversations, /v1/pipeline/run for an agent's candidates."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.memories.embedding import embedder
from apps.memories.llm import language_model
from apps.memories.services.extraction import conversation_extract
from apps.memories.services.gather import Candidate, Fate, Item, Line, candidates_run, conversation_observe
from apps.memories.view import View
from apps.rest.base import UserView
from apps.rest.bodies import Body, read_body
from apps.rest.openapi import describe
from memoria.errors import Invalid, Unavailable
from memoria.ports import Embedder

ITEMS = 500
NO_MODEL = "LLM not configured — storing messages as-is"
NO_ANSWER = "LLM did not answer — storing messages as-is"


class Message(Body):
    role: str
    content: str


class ObserveBody(Body):
    messages: list[Message]
    session_id: str | None = None
    subject_id: str | None = None
    branch: str | None = None
    source_event_ids: list[str] | None = None
    """Accepted and not used."""


class ObservedMemory(msgspec.Struct):
    memory_id: str
    content: str
    memory_type: str
    masked: list[str] | msgspec.UnsetType = msgspec.UNSET


class LeftOut(msgspec.Struct):
    index: int
    reason: str


class ObserveAnswer(msgspec.Struct, omit_defaults=True):
    memories: list[ObservedMemory]
    warning: str | None = None
    left_out: list[LeftOut] | None = None
    """Messages that were not remembered, and why."""


class CandidateItem(Body):
    content: str
    memory_type: str | None = None
    trust_tier: str | None = None


class PipelineBody(Body):
    candidates: list[CandidateItem]
    sandbox_query: str | None = None
    """Accepted and not used."""


class PipelineAnswer(msgspec.Struct):
    memories_stored: int
    memories_rejected: int
    memories_redacted: int
    errors: list[str]
    memories_repeated: int
    """Known already; neither stored nor rejected."""
    masked: list[str] | msgspec.UnsetType = msgspec.UNSET
    """The kinds of personal data that were masked in any of them."""


def _few(items: list[object]) -> None:
    if len(items) > ITEMS:
        raise Invalid(f"at most {ITEMS} items at once")


class Said(TypedDict):
    """What both ways of observing are told."""

    lines: Sequence[Line]
    view: View
    session_id: str | None
    subject_id: str | None
    actor_id: str
    now: datetime
    embedder: Embedder | None


class ObserveView(UserView):
    creates_user = True

    @describe(
        summary="Remember what a language model finds worth it in what was said, or every line where there is none",
        body=ObserveBody,
        answer=ObserveAnswer,
        errors=(404,),
        example={"messages": [{"role": "user", "content": "I moved to Graz"}], "session_id": "s-9"},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, ObserveBody)
        _few([*body.messages])
        items, warning = self._observed(body)
        # What a later line took the place of is there no more.
        remembered = {item.memory.memory_id: item for item in items if item.memory and item.memory.is_active}
        return Response(
            ObserveAnswer(
                [
                    ObservedMemory(
                        memory_id,
                        each.memory.content,
                        each.memory.memory_type,
                        list(each.masked) or msgspec.UNSET,
                    )
                    for memory_id, each in remembered.items()
                    if each.memory is not None
                ],
                warning,
                [LeftOut(item.place, item.reason) for item in items if item.reason is not None] or None,
            )
        )

    def _observed(self, body: ObserveBody) -> tuple[list[Item], str | None]:
        """By the model where there is one that answers, else line by line, and why."""
        said: Said = {
            "lines": [Line(message.role, message.content) for message in body.messages],
            "view": self.view_of(branch=body.branch),
            "session_id": body.session_id,
            "subject_id": body.subject_id,
            "actor_id": self.caller.user_id,
            "now": timezone.now(),
            "embedder": embedder(),
        }
        if (model := language_model()) is None:
            return conversation_observe(**said), NO_MODEL
        try:
            return conversation_extract(model=model, **said), None
        except Unavailable:
            return conversation_observe(**said), NO_ANSWER


class PipelineView(UserView):
    creates_user = True

    @describe(
        summary="Remember an agent's candidates; bad ones are counted, not refused",
        body=PipelineBody,
        answer=PipelineAnswer,
        example={"candidates": [{"content": "Prefers tea", "memory_type": "profile"}]},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, PipelineBody)
        _few([*body.candidates])
        items = candidates_run(
            candidates=[Candidate(c.content, c.memory_type, c.trust_tier) for c in body.candidates],
            view=self.view_of(),
            actor_id=self.caller.user_id,
            now=timezone.now(),
            embedder=embedder(),
        )
        rejected = [item for item in items if item.fate is Fate.REJECTED]
        masked = dict.fromkeys(label for item in items for label in item.masked)
        return Response(
            PipelineAnswer(
                sum(item.fate is Fate.STORED for item in items),
                len(rejected),
                sum(bool(item.masked) for item in items),
                [_error(item.reason or "") for item in rejected],
                sum(item.fate is Fate.REPEATED for item in items),
                list(masked) or msgspec.UNSET,
            )
        )


def _error(reason: str) -> str:
    """Blocked ones as clients of the earlier server read them."""
    blocked = re.search(r"contains sensitive content \((\w+)\)", reason)
    return f"blocked: {blocked.group(1)}" if blocked else reason
