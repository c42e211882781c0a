from typing import Any

from django.apps import AppConfig
from django.db.models.signals import pre_migrate


class LegacyConfig(AppConfig):
    name = "apps.legacy"

    def ready(self) -> None:
        pre_migrate.connect(_refuse_an_old_database, sender=self)


def _refuse_an_old_database(using: str, **_: Any) -> None:
    """`manage.py migrate` on the database of an earlier server would write our tables into it."""
    from django.core.management import CommandError

    from apps.legacy.detect import INSTRUCTIONS, is_legacy_control_database

    if using == "default" and is_legacy_control_database():
        raise CommandError(INSTRUCTIONS, returncode=3)
