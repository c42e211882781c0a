"""Bearer credentials and identity headers of a REST request."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts.callers import Caller, caller_identify
from apps.accounts.services import tool_touch


def _header(request: Request, name: str) -> str | None:
    """A header as UTF-8 text, None when absent, "" when unreadable.

    WSGI hands over a header's bytes as Latin-1, and the HTTP server hands over a header that holds anything but
    ASCII as an empty one. Both must be refused: they would otherwise pass for the default user.
    """
    value = request.META.get(name)
    try:
        return None if value is None else str(value).encode("latin-1").decode()
    except UnicodeError:
        return ""


def _named_user(request: Request) -> str | None:
    for name in ("HTTP_X_USER_ID", "HTTP_X_IMPERSONATE_USER"):
        if (value := _header(request, name)) is not None:
            return value
    return request.GET.get("user_id") or None


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        caller = caller_identify(
            authorization=_header(request, "HTTP_AUTHORIZATION"),
            acts_as=_named_user(request),
            now=timezone.now(),
        )
        if tool := (_header(request, "HTTP_X_MEMORIA_TOOL") or _header(request, "HTTP_X_TOOL_NAME")):
            tool_touch(user_id=caller.user_id, tool_name=tool.strip(), now=timezone.now())
        return caller, caller
