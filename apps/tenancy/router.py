"""Sends user-plane models to the open user database and everything else to the control plane; nothing
crosses.
"""

from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model

from apps.tenancy.scope import current_alias
from memoria.errors import CrossUserAccess

USER_APPS = frozenset({"feedback", "graph", "memories", "versioning"})


class PlaneRouter:
    """An app is wholly in one plane. There is no silent default: user data without a scope raises."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        if model._meta.app_label not in USER_APPS:
            return DEFAULT_DB_ALIAS
        alias = current_alias()
        made_in = hints.get("made_in")
        if made_in not in (None, alias):
            raise CrossUserAccess(f"queryset of {model._meta.label} made in {made_in} used in {alias}")
        instance = hints.get("instance")
        if instance is not None and instance._meta.app_label in USER_APPS:
            home = instance._state.db
            if home not in (None, alias):
                raise CrossUserAccess(f"{model._meta.label} of {home} used in {alias}")
        return alias

    db_for_write = db_for_read

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool | None:
        if (one._meta.app_label in USER_APPS) != (other._meta.app_label in USER_APPS):
            return False
        return None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db != DEFAULT_DB_ALIAS) == (app_label in USER_APPS)
