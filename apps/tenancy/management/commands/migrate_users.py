"""Bring every user database to this code's schema."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.tenancy import schema
from apps.tenancy.management.sweep import SweepCommand
from apps.tenancy.selectors import registration_find, registrations_behind
from apps.tenancy.services.upgrade import user_upgrade


def upgrade(user_id: str) -> str:
    user_upgrade(user_id=user_id)
    return "upgraded"


class Command(SweepCommand):
    help = (
        "Upgrade the databases of all users whose schema is older than this code's. Safe to stop and to run again; "
        "servers may run meanwhile.\n"
        "Examples: manage.py migrate_users --check    manage.py migrate_users --processes 4"
    )
    work = staticmethod(upgrade)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--check", action="store_true", help="change nothing; exit with 1 if any is behind"
        )

    def handle(self, *, user: list[str], processes: int, check: bool, **_: Any) -> None:
        behind = registrations_behind(schema_version=schema.schema_version())
        if unknown := [user_id for user_id in user if registration_find(user_id=user_id) is None]:
            raise CommandError(f"no such user: {', '.join(map(repr, unknown))}")
        if user:
            behind = [user_id for user_id in behind if user_id in user]
        if check:
            self.stdout.write(f"{len(behind)} user database(s) behind schema {schema.schema_version()}")
            if behind:
                raise SystemExit(1)
            return
        self.sweep(behind, processes=processes)
