"""`migrate_legacy` that gives even a few rows to several processes: `python -m tests.apps.legacy.parallel copy …`."""

import os
import sys

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
    django.setup()
    from django.core.management import execute_from_command_line

    from apps.legacy.management.commands import migrate_legacy

    migrate_legacy.ROWS_PER_PROCESS = 1
    execute_from_command_line(["manage.py", "migrate_legacy", *sys.argv[1:]])
