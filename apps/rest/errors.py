"""The only module that knows status codes: every error becomes {"detail": text, "code": slug}."""

import uuid
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, MethodNotAllowed
from rest_framework.response import Response

from apps.rest.rendering import JsonRenderer
from memoria import errors

log = structlog.get_logger(__name__)

STATUS: dict[type[errors.MemoriaError], int] = {
    errors.MemoriaError: 500,
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.TooLarge: 413,
    errors.UnsupportedMediaType: 415,
    errors.Invalid: 422,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
}


def status_of(error: errors.MemoriaError) -> int:
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None lets Django answer 500 and log the traceback."""
    if isinstance(error, RequestDataTooBig):
        error = errors.TooLarge("Failed to buffer the request body: length limit exceeded")
    elif isinstance(error, SuspiciousOperation):
        error = errors.Malformed("Failed to read the request")
    elif isinstance(error, OperationalError | InterfaceError):
        log.warning("a database operation failed", error=type(error).__name__, code=_engine_code(error))
        error = errors.Unavailable("Database error: the database is busy or unreachable; try again")
    if isinstance(error, errors.MemoriaError):
        status = status_of(error)
        if status >= 500:
            log.warning("request refused", status=status, detail=str(error))
        if status == 500:  # isolation errors and the like: the caller cannot act on the text
            return Response(_unexpected(), status=500)
        body: dict[str, Any] = {"detail": str(error), "code": error.code}
        if error.faults:
            body["items"] = [
                {"index": fault.place, "detail": str(fault.error), "code": fault.error.code}
                for fault in error.faults
            ]
        return Response(body, status=status, headers=_headers(error))
    if isinstance(error, MethodNotAllowed):
        view = context["view"]
        allow = ", ".join(view.allowed_methods)
        refusal = {"detail": f"Method not allowed; use {allow}", "code": "method_not_allowed"}
        return Response(refusal, status=405, headers={"Allow": allow})
    if isinstance(error, APIException):
        return Response({"detail": str(error.detail), "code": "request"}, status=error.status_code)
    return None


def _headers(error: errors.MemoriaError) -> dict[str, str]:
    if isinstance(error, errors.Retryable):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    return {}


def _engine_code(error: Exception) -> object:
    """The engine's error number; its text may hold names of tables or values."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _unexpected() -> dict[str, str]:
    request_id = structlog.contextvars.get_contextvars().get("request_id", uuid.uuid4().hex)
    return {"detail": f"Internal error: see the server log for request {request_id}", "code": "internal"}


def _json(body: dict[str, str], status: int) -> HttpResponse:
    return HttpResponse(JsonRenderer().render(body), status=status, content_type="application/json")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _json({"detail": "No such path", "code": "not_found"}, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _json(_unexpected(), 500)


def bad_request(request: HttpRequest, exception: Exception | None) -> HttpResponse:
    return _json({"detail": "Failed to read the request", "code": "malformed"}, 400)


def length_required() -> HttpResponse:
    return _json(
        {"detail": "Send the body's Content-Length; chunked bodies are not read", "code": "length"}, 411
    )
