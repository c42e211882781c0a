"""Around every request: a log line, an id that ties an error answer to it, a readable query, a usable connection."""

import time
import uuid
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import structlog
from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, clear_contextvars

from apps.rest.errors import bad_request, length_required

log = structlog.get_logger("memoria.request")

SLOW_SECONDS = 2.0
DRAINED_BYTES = 32 * 1024 * 1024


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
        _settle_connection(request, response)
        if not response.streaming and not response.has_header("Content-Length"):
            response["Content-Length"] = str(len(response.content))
        return response


def readable_query(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Refuse query strings that are not UTF-8: decoded with replacements, different names would become one."""

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            unquote_to_bytes(request.META.get("QUERY_STRING", "")).decode()
        except UnicodeError:
            return bad_request(request, None)
        if request.META.get("HTTP_TRANSFER_ENCODING") and not request.META.get("CONTENT_LENGTH"):
            return length_required()  # of a body without a length the application would see nothing
        return get_response(request)

    return answer


def _settle_connection(request: HttpRequest, response: HttpResponse) -> None:
    """End the connection after an answer that left the body unread: the body would be taken for the next request.

    The rest of a body that was too large is taken in first, up to a bound, so that the caller gets to read why.
    """
    has_body = (
        request.META.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in request.META
    )
    if request._read_started or not has_body:  # type: ignore[attr-defined]
        return
    if response.status_code == 413:
        taken = 0
        while taken < DRAINED_BYTES and (piece := request.read(256 * 1024)):
            taken += len(piece)
    response["Connection"] = "close"
