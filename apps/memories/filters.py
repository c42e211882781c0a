"""Which memories a reader wants, applied in SQL before anything is ranked or cut."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from apps.tenancy.scope import user_connection

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Filters:
    """All given conditions hold. `session_or_none` also admits memories of no session."""

    memory_types: tuple[str, ...] = ()
    trust_tier: str | None = None
    session_id: str | None = None
    session_or_none: bool = False
    subject_id: str | None = None
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    """Top-level keys of extra_metadata and what they must equal: texts texts, numbers numbers, booleans booleans."""

    def apply(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        rows = rows.filter(is_active=True)
        if self.memory_types:
            rows = rows.filter(memory_type__in=self.memory_types)
        if self.trust_tier is not None:
            rows = rows.filter(trust_tier=self.trust_tier)
        if self.session_id is not None:
            wanted = Q(session_id=self.session_id)
            rows = rows.filter(wanted | Q(session_id=None) if self.session_or_none else wanted)
        if self.subject_id is not None:
            rows = rows.filter(subject_id=self.subject_id)
        for key, value in self.metadata.items():
            condition, parameters = _equals(rows.model._meta.db_table, key, value, user_connection().vendor)
            rows = rows.extra(where=[condition], params=parameters)  # noqa: S610  keys are checked names
        return rows


def _equals(table: str, key: str, value: Scalar, vendor: str) -> tuple[str, list[Any]]:
    """A condition that a JSON member has this value. The ORM's own lookups take true for 1 on SQLite."""
    column, path = f"{table}.extra_metadata", f'$."{key}"'
    if vendor == "sqlite":
        if isinstance(value, bool):
            return f"json_type({column}, %s) = %s", [path, json.dumps(value)]
        kinds = "('text')" if isinstance(value, str) else "('integer', 'real')"
        return f"json_type({column}, %s) IN {kinds} AND json_extract({column}, %s) = %s", [path, path, value]
    if isinstance(value, bool):
        same = f"JSON_VALUE({column}, %s) = %s"
        return f"JSON_TYPE(JSON_EXTRACT({column}, %s)) = 'BOOLEAN' AND {same}", [path, path, int(value)]
    if isinstance(value, str):  # compared as bytes: collations pad and fold
        same = f"CAST(JSON_UNQUOTE(JSON_EXTRACT({column}, %s)) AS BINARY) = CAST(%s AS BINARY)"
        return f"JSON_TYPE(JSON_EXTRACT({column}, %s)) = 'STRING' AND {same}", [path, path, value]
    kinds = "('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL')"
    same = f"JSON_VALUE({column}, %s) + 0 = %s"
    return f"JSON_TYPE(JSON_EXTRACT({column}, %s)) IN {kinds} AND {same}", [path, path, value]


ANY = Filters()
