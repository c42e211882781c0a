"""Drop what no view of a user's memories can reach any more."""

from dataclasses import astuple
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from apps.tenancy.admission import active_route
from apps.tenancy.management.sweep import SweepCommand
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import active_user_ids, registration_find
from apps.versioning.services.collect import collect


def collect_for(user_id: str) -> str:
    with user_database(active_route(user_id=user_id)):
        collected = collect(now=timezone.now())
    return "collected" if any(astuple(collected)) else "nothing to collect"


class Command(SweepCommand):
    help = (
        "Drop revisions, vectors and commits that no snapshot, no branch and none of the last MEMORIA_HISTORY_DAYS "
        "need. Works in small transactions; safe to stop and to run again.\n"
        "Examples: manage.py collect_garbage    manage.py collect_garbage --user u-maria"
    )
    work = staticmethod(collect_for)

    def handle(self, *, user: list[str], processes: int, **_: Any) -> None:
        if unknown := [user_id for user_id in user if registration_find(user_id=user_id) is None]:
            raise CommandError(f"no such user: {', '.join(map(repr, unknown))}")
        self.sweep(user or active_user_ids(), processes=processes)
