"""Base of all models that live in user databases."""

from typing import Any, TypeVar

from django.db import models

from apps.tenancy.scope import open_alias

M = TypeVar("M", bound=models.Model)


class UserManager(models.Manager[M]):
    """Gives querysets the scope they were made in as a hint, so that the router refuses them in any other.

    Without it a lazy queryset made for one user would silently read whoever's database is open when it is evaluated.
    """

    def get_queryset(self) -> models.QuerySet[M]:
        rows = super().get_queryset()
        rows._hints = {**rows._hints, "made_in": open_alias()}  # type: ignore[attr-defined]
        return rows


class UserModel(models.Model):
    objects: Any = UserManager()

    class Meta:
        abstract = True
