"""Which tools work with a user's memories: /v1/tool-usage."""

import msgspec
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.services import tools_used
from apps.rest.base import CallerView
from apps.rest.openapi import describe
from memoria.times import rfc3339


class ToolObject(msgspec.Struct):
    tool_name: str
    last_used_at: str


class ToolUsageView(CallerView):
    @describe(
        summary="The caller's tools, as they name themselves in X-Memoria-Tool",
        answer=list[ToolObject],
        answer_example=[{"tool_name": "openclaw", "last_used_at": "2026-05-02T08:15:30+00:00"}],
    )
    def get(self, request: Request) -> Response:
        found = tools_used(user_id=self.caller.user_id)
        return Response([ToolObject(name, rfc3339(moment)) for name, moment in found])
