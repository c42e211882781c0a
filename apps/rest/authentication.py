"""Bearer credentials and identity headers of a REST request."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.accounts.callers import Caller, caller_identify
from memoria.errors import Invalid


def _header(request: Request, name: str) -> str:
    """A header as UTF-8 text; WSGI hands over its bytes as Latin-1."""
    try:
        return str(request.META.get(name, "")).encode("latin-1").decode()
    except UnicodeError:
        raise Invalid("the identity header must be UTF-8") from None


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Caller, Caller]:
        caller = caller_identify(
            authorization=_header(request, "HTTP_AUTHORIZATION"),
            acts_as=_header(request, "HTTP_X_USER_ID")
            or _header(request, "HTTP_X_IMPERSONATE_USER")
            or request.GET.get("user_id", ""),
            now=timezone.now(),
        )
        return caller, caller
