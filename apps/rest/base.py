"""Base views. This is the REST door: the only place in the HTTP layer that opens a user database."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.callers import Caller
from apps.memories.selectors import row_find
from apps.memories.view import MAIN, View
from apps.rest.balance import one_of_many
from apps.tenancy.admission import admit, route
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registrations_marked
from apps.tenancy.turns import turn
from apps.versioning.selectors import view_resolve
from memoria.errors import NoDatabase
from memoria.naming import mark_of


class BaseView(APIView):
    """What all views share: the methods, and that a wrong one is said before anybody asks for a key."""

    http_method_names = ("get", "post", "put", "delete", "head")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not hasattr(self, str(request.method).lower()):
            self.http_method_not_allowed(request)
        super().initial(request, *args, **kwargs)


class PublicView(BaseView):
    """Answers anybody."""

    authentication_classes = ()


class CallerView(BaseView):
    """Answers callers, from the control plane only."""

    @property
    def caller(self) -> Caller:
        return self.request.user  # type: ignore[return-value]


class UserView(CallerView):
    """Opens the caller's database, once the caller has been checked and in their turn, and shuts it whatever happens.

    A key owner's database is made at first use. A master caller may name anybody, so they read an empty database
    where there is none, and one is made only when a view that stores something (`creates_user`) comes to write:
    by then the request is known to be good.
    """

    creates_user = False

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with one_of_many() as is_one_too_many, ExitStack() as self._scope:
            response = super().dispatch(request, *args, **kwargs)
            if is_one_too_many():
                response["Connection"] = "close"
            return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD"):
            request._request.body  # noqa: B018  it may come slowly: now it keeps nobody waiting, and no database
        self._scope.enter_context(turn())
        caller = request.user = self.acting_as(self.caller, **kwargs)  # type: ignore[assignment]
        self._open(creates=not caller.is_master)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, NoDatabase) and self.creates_user:
            try:
                self._open(creates=True)
                handler = getattr(self, str(self.request.method).lower())
                return handler(self.request, *self.args, **self.kwargs)  # type: ignore[no-any-return]
            except Exception as error:
                exc = error
        return super().handle_exception(exc)

    def _open(self, *, creates: bool) -> None:
        way = route(user_id=self.caller.user_id, found=self.caller.registration, creates=creates)
        self._scope.enter_context(user_database(way))

    def acting_as(self, caller: Caller, **kwargs: Any) -> Caller:
        """The caller as the user whose database is opened. A master caller may name a memory without its owner."""
        if caller.is_master and not caller.names_user and "memory_id" in kwargs:
            return self._owner_of(kwargs["memory_id"]) or caller
        return caller

    def _owner_of(self, memory_id: str) -> Caller | None:
        """The caller as the user who has this memory: an administrator may name a memory without its owner."""
        mark = mark_of(memory_id)
        for found in registrations_marked(mark=mark) if mark is not None else ():
            with user_database(admit(found)):  # one that cannot be asked is an error, not somebody without it
                if row_find(view=MAIN, memory_id=memory_id) is not None:
                    return replace(self.caller, user_id=found.user_id, registration=found)
        return None

    def view_of(self, *, branch: str | None = None, at: str | None = None) -> View:
        """The view a request means: its explicit branch, else the caller's checked-out one, at a moment if given."""
        return view_resolve(actor_id=self.caller.user_id, branch=branch, at=at)


def no_content() -> Response:
    return Response(status=204)
