"""Liveness and readiness, for load balancers and people without a key."""

import msgspec
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from apps.memories.embedding import embedder, endpoint_states
from apps.memories.remote import State
from apps.rest.base import PublicView
from apps.rest.openapi import describe


class InstanceHealth(msgspec.Struct):
    status: str
    instance_id: str
    db: bool
    embedding: str
    """`ok`, `failing` while no endpoint answers: stores go on without vectors, retrieval by words; or `off`."""


class HealthView(PublicView):
    @describe(summary="Is the process up?", answer=str, public=True)
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse("ok", content_type="text/plain")


class InstanceHealthView(PublicView):
    @describe(
        summary="Is the process up and its control plane reachable?",
        answer=InstanceHealth,
        public=True,
        errors=(503,),
    )
    def get(self, request: Request) -> Response:
        reachable = _control_plane_answers()
        status = "ok" if reachable else "degraded"
        health = InstanceHealth(status, settings.MEMORIA_INSTANCE_ID, reachable, _embedding())
        return Response(health, status=200 if reachable else 503)


def _embedding() -> str:
    """From what this process has seen; nobody is asked for a health check."""
    if embedder() is None:
        return "off"
    dead = (all(state != State.ANSWERING for state in states) for states in endpoint_states().values())
    return "failing" if any(dead) else "ok"


def _control_plane_answers() -> bool:
    try:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone() == (1,)
    except Error:
        return False
