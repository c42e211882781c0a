"""One log line per request, and an id that ties an error answer to it."""

import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, clear_contextvars

log = structlog.get_logger("memoria.request")

SLOW_SECONDS = 2.0


class RequestLog:
    """Level by outcome: error from 500 up, warning for 429 and slow requests, else debug. Never a body or a
    key.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        clear_contextvars()
        request_id = uuid.uuid4().hex
        bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = self._get_response(request)
        seconds = time.perf_counter() - started
        if response.status_code >= 500:
            write = log.error
        elif response.status_code == 429 or seconds >= SLOW_SECONDS:
            write = log.warning
        else:
            write = log.debug
        write(
            "request",
            method=request.method,
            path=request.path,
            status=response.status_code,
            ms=round(seconds * 1e3),
        )
        response["X-Request-Id"] = request_id
        if not response.streaming and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        return response
