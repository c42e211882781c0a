"""Give every memory a vector of the configured model."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from apps.memories.embedding import embedder
from apps.memories.selectors.figures import embedding_health
from apps.memories.services.reembed import reembed, width
from apps.tenancy.admission import active_route
from apps.tenancy.management.sweep import SweepCommand
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find, users_embedded_otherwise
from memoria.errors import Unavailable


def reembed_for(user_id: str) -> str:
    configured = embedder()
    assert configured is not None
    with user_database(active_route(user_id=user_id)):
        done = reembed(embedder=configured, now=timezone.now())
    if done.refused:
        return "embedded, but for texts that the endpoint refuses"
    if done.failed:
        return "embedded, but for texts that the endpoint failed on: run it again"
    return "embedded" if done.texts else "nothing to embed"


class Command(SweepCommand):
    help = (
        "Embed what has no vector of the configured model: after another model was configured, after an outage of "
        "the endpoint, after a migration. Works in small transactions while the server runs; safe to stop and to "
        "run again.\n"
        "Examples: manage.py reembed --check    manage.py reembed --user u-maria    manage.py reembed --processes 2"
    )
    work = staticmethod(reembed_for)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--check", action="store_true", help="change nothing; exit with 1 if any user lacks vectors"
        )

    def handle(self, *, user: list[str], processes: int, check: bool, **_: Any) -> None:
        configured = embedder()
        if configured is None:
            raise CommandError("no embedder is configured: EMBEDDING_PROVIDER is none")
        if unknown := [user_id for user_id in user if registration_find(user_id=user_id) is None]:
            raise CommandError(f"no such user: {', '.join(map(repr, unknown))}")
        try:
            dim = width(configured)
        except Unavailable as error:
            raise CommandError(str(error)) from None
        lacking = users_embedded_otherwise(model=configured.model, dim=dim)
        if check:
            for user_id in user or lacking:
                with user_database(active_route(user_id=user_id)):
                    found = embedding_health(model=configured.model, dim=dim)
                self.stdout.write(f"{user_id}: {found.embedded} of {found.active} memories have a vector")
            kind = f"{configured.model}, {dim} wide"
            self.stdout.write(f"{len(lacking)} user(s) with texts that have no vector of {kind}")
            if lacking:
                raise SystemExit(1)
            return
        self.sweep(user or lacking, processes=processes)
