"""What is known of a person in one text: /v1/profiles."""

from dataclasses import replace
from typing import Any

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.callers import Caller
from apps.memories.selectors.figures import profile_text, statistics
from apps.rest.base import UserView
from apps.rest.bodies import Body, read_query
from apps.rest.openapi import describe
from apps.tenancy.selectors import registration_find
from memoria.drafts import checked_subject
from memoria.errors import Forbidden
from memoria.naming import checked_user_id
from memoria.times import naive_utc


class ProfileQuery(Body):
    subject_id: str | None = None
    branch: str | None = None
    at: str | None = None


class ProfileStats(msgspec.Struct):
    by_type: dict[str, int]
    total: int
    avg_confidence: float | None
    oldest: str | None
    newest: str | None


class ProfileAnswer(msgspec.Struct):
    user_id: str
    profile: str
    """The newest profile memories, a line each."""
    stats: ProfileStats


class ProfileView(UserView):
    """`me`, one's own id, or any id for a master caller."""

    def acting_as(self, caller: Caller, **kwargs: Any) -> Caller:
        target = str(kwargs["target_user_id"])
        if target in ("me", caller.user_id):
            return caller
        if not caller.is_master:
            raise Forbidden("Cannot access other users' profiles")
        user_id = checked_user_id(target)
        return replace(caller, user_id=user_id, registration=registration_find(user_id=user_id))

    @describe(
        summary="A person's profile memories and some figures",
        query=ProfileQuery,
        answer=ProfileAnswer,
        errors=(404,),
        answer_example={
            "user_id": "u-maria",
            "profile": "Prefers short answers",
            "stats": {
                "by_type": {"profile": 1},
                "total": 1,
                "avg_confidence": 0.95,
                "oldest": "2026-05-02 08:15:30.120000",
                "newest": "2026-05-02 08:15:30.120000",
            },
        },
    )
    def get(self, request: Request, target_user_id: str) -> Response:
        query = read_query(request, ProfileQuery)
        view = self.view_of(branch=query.branch, at=query.at)
        subject = checked_subject(query.subject_id)
        figures = statistics(view=view, subject_id=subject)
        return Response(
            ProfileAnswer(
                self.caller.user_id,
                profile_text(view=view, subject_id=subject),
                ProfileStats(
                    figures.by_type,
                    figures.total,
                    figures.average_confidence,
                    naive_utc(figures.oldest) if figures.oldest is not None else None,
                    naive_utc(figures.newest) if figures.newest is not None else None,
                ),
            )
        )
