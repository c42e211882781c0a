"""Session summaries, and the tasks that make them: /v1/sessions/…/summary and /v1/tasks."""

from typing import Any

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.jobs.background import task_get, task_start
from apps.memories.embedding import embedder
from apps.memories.llm import language_model
from apps.memories.services.summary import LIGHTWEIGHT, Summary, session_summarise
from apps.rest.base import CallerView, UserView
from apps.rest.bodies import Body, read_body
from apps.rest.openapi import describe
from apps.tenancy.admission import active_route
from apps.tenancy.scope import user_database
from memoria.drafts import checked_session, checked_subject
from memoria.errors import Unavailable
from memoria.times import naive_utc


class SummaryBody(Body):
    mode: str = "full"
    """full, or lightweight: three to five points."""
    sync: bool = False
    focus_topics: list[str] | None = None
    generate_embedding: bool = True
    """Accepted and not used."""
    subject_id: str | None = None


class SummaryAnswer(msgspec.Struct):
    memory_id: str | None
    task_id: str | None
    content: str | None
    truncated: bool
    metadata: dict[str, Any] | None
    mode: str
    masked: list[str] | msgspec.UnsetType = msgspec.UNSET
    """The kinds of personal data that were masked in it; the result of a task says so too."""


class TaskAnswer(msgspec.Struct):
    task_id: str
    status: str
    created_at: str
    updated_at: str
    result: dict[str, Any] | None
    error: dict[str, str] | None


class SummaryView(UserView):
    creates_user = True

    @describe(
        summary="Sum up a session as one memory, now or in the background",
        body=SummaryBody,
        answer=SummaryAnswer,
        errors=(404,),
        example={"mode": "lightweight", "sync": True},
    )
    def post(self, request: Request, session_id: str) -> Response:
        body = read_body(request, SummaryBody)
        model = language_model()
        if model is None:
            raise Unavailable(
                "LLM not configured — set LLM_API_KEY to enable episodic memory", retry_after=3600
            )
        session = checked_session(session_id) or ""
        subject = checked_subject(body.subject_id)
        mode = LIGHTWEIGHT if body.mode == LIGHTWEIGHT else "full"
        user_id, view = self.caller.user_id, self.view_of()

        def summarise() -> Summary:
            return session_summarise(
                model=model,
                view=view,
                session_id=session,
                subject_id=subject,
                mode=mode,
                focus_topics=body.focus_topics or [],
                actor_id=user_id,
                now=timezone.now(),
                embedder=embedder(),
            )

        def in_background() -> dict[str, Any]:
            with user_database(active_route(user_id=user_id)):
                return _result(summarise())

        if body.sync:
            return Response(SummaryAnswer(task_id=None, mode=mode, **_result(summarise())))
        task_id = task_start(user_id=user_id, work=in_background)
        return Response(SummaryAnswer(None, task_id, None, False, None, mode))


def _result(summary: Summary) -> dict[str, Any]:
    result = {
        "memory_id": summary.memory.memory_id,
        "content": summary.memory.content,
        "truncated": summary.is_truncated,
        "metadata": summary.metadata,
    }
    return result | {"masked": list(summary.masked)} if summary.masked else result


class TaskView(CallerView):
    @describe(summary="How far a task is", answer=TaskAnswer, errors=(404,))
    def get(self, request: Request, task_id: str) -> Response:
        task = task_get(
            task_id=task_id,
            user_id=self.caller.user_id,
            is_master=self.caller.is_master,
            now=timezone.now(),
        )
        return Response(
            TaskAnswer(
                task.task_id,
                task.status,
                naive_utc(task.created_at),
                naive_utc(task.updated_at),
                task.result,
                task.error,
            )
        )
