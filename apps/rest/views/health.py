"""Liveness and readiness, for load balancers and people without a key."""

import msgspec
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from apps.rest.base import PublicView
from apps.rest.openapi import describe


class InstanceHealth(msgspec.Struct):
    status: str
    instance_id: str
    db: bool


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
        health = InstanceHealth("ok" if reachable else "degraded", settings.MEMORIA_INSTANCE_ID, reachable)
        return Response(health, status=200 if reachable else 503)


def _control_plane_answers() -> bool:
    try:
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone() == (1,)
    except Error:
        return False
