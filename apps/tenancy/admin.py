"""Console pages of users and their databases: read-mostly, actions call services."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db import Error as DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from unfold.admin import ModelAdmin
from unfold.decorators import display

from apps.tenancy import schema
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.servers import server
from apps.tenancy.services.lifecycle import user_reactivate, user_suspend
from apps.tenancy.services.upgrade import user_upgrade
from memoria.errors import MemoriaError


class BehindFilter(SimpleListFilter):
    title = "schema"
    parameter_name = "schema"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("behind", "behind this server"), ("current", "current")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[UserDatabase]) -> QuerySet[UserDatabase]:
        if self.value() == "behind":
            return queryset.filter(schema_version__lt=schema.schema_version())
        if self.value() == "current":
            return queryset.filter(schema_version=schema.schema_version())
        return queryset


@admin.register(UserDatabase)
class UserDatabaseAdmin(ModelAdmin):
    """Who has a database, where it is, and what is wrong with it."""

    list_display = ("user_id", "state", "server", "size", "schema", "vectors", "last_error", "updated_at")
    list_filter = ("status", "server", BehindFilter)
    search_fields = ("user_id", "db_name")
    ordering = ("user_id",)
    list_per_page = 50
    actions = ("suspend", "reactivate", "upgrade")
    exclude = ("lease_holder",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: UserDatabase | None = None) -> bool:
        return obj is None and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: UserDatabase | None = None) -> bool:
        return False

    @display(
        description="state",
        ordering="status",
        label={
            State.ACTIVE: "success",
            State.SUSPENDED: "warning",
            State.MIGRATING: "info",
            State.DELETED: "danger",
        },
    )
    def state(self, row: UserDatabase) -> str:
        return row.status

    @display(description="size")
    def size(self, row: UserDatabase) -> str:
        try:
            size = server(row.server).size_bytes(row.db_name)
            return "no database" if size is None else filesizeformat(size)
        except (MemoriaError, OSError):
            return "unreachable"

    @display(description="schema", ordering="schema_version")
    def schema(self, row: UserDatabase) -> str:
        newest = schema.schema_version()
        return (
            str(row.schema_version) if row.schema_version == newest else f"{row.schema_version} of {newest}"
        )

    @display(description="vectors", ordering="embedding_model")
    def vectors(self, row: UserDatabase) -> str:
        """Of which model all of the user's texts have one; `manage.py reembed --check` counts what is lacking."""
        if row.embedding_model:
            return f"{row.embedding_model}, {row.embedding_dim} wide"
        return f"some lacking, {row.embedding_refused} refused" if row.embedding_refused else "some lacking"

    @admin.action(description="Suspend: refuse requests, keep the data", permissions=["change"])
    def suspend(self, request: HttpRequest, rows: QuerySet[UserDatabase]) -> None:
        self._each(request, rows, "suspended", user_suspend)

    @admin.action(description="Reactivate suspended users", permissions=["change"])
    def reactivate(self, request: HttpRequest, rows: QuerySet[UserDatabase]) -> None:
        self._each(request, rows, "reactivated", user_reactivate)

    @admin.action(description="Upgrade the database to this server's schema", permissions=["change"])
    def upgrade(self, request: HttpRequest, rows: QuerySet[UserDatabase]) -> None:
        self._each(request, rows, "upgraded", user_upgrade)

    def _each(
        self, request: HttpRequest, rows: QuerySet[UserDatabase], done: str, service: Callable[..., Any]
    ) -> None:
        count = 0
        for user_id in rows.values_list("user_id", flat=True):
            try:
                service(user_id=user_id)
                count += 1
            except MemoriaError as error:
                self.message_user(request, f"{user_id}: {error}", messages.ERROR)
            except DatabaseError as error:  # what is wrong with one user must not keep the others waiting
                self.message_user(request, f"{user_id}: {type(error).__name__}; see the log", messages.ERROR)
        self.message_user(request, f"{count} user(s) {done}.", messages.SUCCESS)
