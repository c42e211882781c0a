"""Which memories a reader wants, applied in SQL before anything is ranked or cut."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet


@dataclass(frozen=True, slots=True)
class Filters:
    """All given conditions hold. `session_or_none` also admits memories of no session."""

    memory_types: tuple[str, ...] = ()
    trust_tier: str | None = None
    session_id: str | None = None
    session_or_none: bool = False
    subject_id: str | None = None

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
        return rows


ANY = Filters()
