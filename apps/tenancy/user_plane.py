"""Base of all models that live in user databases."""

from collections.abc import Iterable
from typing import Any, TypeVar

from django.db import models

from apps.tenancy.scope import open_alias
from memoria.errors import CrossUserAccess

M = TypeVar("M", bound=models.Model)


class UserQuerySet(models.QuerySet[M]):
    """Refuses rows and lazy querysets of another user, wherever they are handed in."""

    def bulk_create(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> list[M]:
        return super().bulk_create(own_rows(objs), *args, **kwargs)

    def bulk_update(self, objs: Iterable[M], *args: Any, **kwargs: Any) -> int:
        return super().bulk_update(own_rows(objs), *args, **kwargs)

    def _filter_or_exclude(self, negate: bool, args: Any, kwargs: Any) -> Any:
        for value in kwargs.values():
            self._refuse_foreign(value)
        return super()._filter_or_exclude(negate, args, kwargs)  # type: ignore[misc]

    def _combinator_query(self, combinator: str, *others: Any, **kwargs: Any) -> Any:
        for other in others:
            self._refuse_foreign(other)
        return super()._combinator_query(combinator, *others, **kwargs)  # type: ignore[misc]

    def __or__(self, other: Any) -> Any:
        self._refuse_foreign(other)
        return super().__or__(other)

    def __and__(self, other: Any) -> Any:
        self._refuse_foreign(other)
        return super().__and__(other)

    def _refuse_foreign(self, other: object) -> None:
        if isinstance(other, UserQuerySet) and other._made_in != self._made_in:
            raise CrossUserAccess(f"queryset made in {other._made_in} used with one made in {self._made_in}")

    @property
    def _made_in(self) -> str | None:
        return self._hints.get("made_in")  # type: ignore[attr-defined, no-any-return]


def own_rows(rows: Iterable[M]) -> list[M]:
    """The rows, all of which are new or of the open user's database. Raises CrossUserAccess."""
    every = list(rows)
    for row in every:
        if row._state.db not in (None, open_alias()):
            raise CrossUserAccess(f"{row._meta.label} of {row._state.db} used in {open_alias()}")
    return every


class UserManager(models.Manager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Gives querysets the scope they were made in as a hint, so that the router refuses them in any other.

    Without it a lazy queryset made for one user would silently read whoever's database is open when it is evaluated.
    """

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        rows._hints = {**rows._hints, "made_in": open_alias()}
        return rows


class UserModel(models.Model):
    objects: Any = UserManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
