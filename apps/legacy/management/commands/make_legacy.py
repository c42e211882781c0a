"""Build a made-up old database to rehearse with."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.legacy.made import make_legacy
from memoria.errors import MemoriaError


class Command(BaseCommand):
    help = (
        "Build an old shared database with made-up users, for rehearsals and tests.\n"
        "Example: manage.py make_legacy --url sqlite:///old.db --users 20 --memories 500"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", required=True)
        parser.add_argument("--users", type=int, default=10)
        parser.add_argument("--memories", type=int, default=100, help="per user")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--dim", type=int, default=256, help="width of the vectors; 0 makes none")

    def handle(self, *, url: str, users: int, memories: int, seed: int, dim: int, **_: Any) -> None:
        try:
            make_legacy(url=url, users=users, memories=memories, seed=seed, dim=dim)
        except MemoriaError as error:
            raise CommandError(str(error), returncode=3) from None
        self.stdout.write(f"{users} users with {memories} memories each")
