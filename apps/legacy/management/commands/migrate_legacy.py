"""Move the users of an earlier server's one shared database to databases of their own."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from apps.legacy.detect import INSTRUCTIONS, is_legacy_control_database
from apps.legacy.models import MigratedUser, Migration, Phase
from apps.legacy.services.cutover import activate, control_rows_copy, deactivate
from apps.legacy.services.ledger import leased
from apps.legacy.services.planning import Plan, plan_make
from apps.legacy.services.running import copy_all, verify_all
from apps.legacy.source import Source, fingerprint, open_source
from apps.tenancy import schema
from memoria.errors import Conflict, MemoriaError

REFUSED, PARTIAL, MISMATCH, LOCKED = 3, 4, 5, 6
PHASES = ("plan", "copy", "verify", "cutover", "rollback", "status")


class _RowsPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} rows/s")


class Command(BaseCommand):
    help = (
        "Move users from an old shared database: plan, copy (repeat it to catch up), verify, cutover; rollback. "
        "The old database is only read. Exit codes: 0 done, 3 refused, 4 some users failed, 5 verification "
        "mismatch, 6 another migration is running."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("phase", choices=PHASES)
        parser.add_argument(
            "--legacy-url", required=True, help="sqlite:///<path> or mysql://user:password@host/name"
        )
        parser.add_argument("--user", action="append", default=[], help="only this user; may be repeated")
        parser.add_argument("--concurrency", type=int, default=4, help="users at once (default 4)")
        parser.add_argument("--report-out", type=Path, help="write a JSON report there")
        parser.add_argument(
            "--strict", action="store_true", help="refuse tables, columns and users not known here"
        )
        parser.add_argument(
            "--drop-vectors", action="store_true", help="leave old vectors out; texts are embedded anew"
        )
        parser.add_argument("--yes", action="store_true", help="cutover: the writers are stopped; do not ask")
        parser.add_argument(
            "--quiet-seconds",
            type=float,
            default=5,
            help="cutover: watch the old database this long for writes",
        )

    def handle(self, *, phase: str, **options: Any) -> None:
        self.options = options
        self.console = Console(file=self.stderr, highlight=False)  # type: ignore[arg-type]
        now = timezone.now()
        self.report: dict[str, Any] = {
            "phase": phase,
            "started_at": now.isoformat(),
            "versions": {"schema": schema.schema_version(), "django": django.get_version()},
            "selected_users": [],
            "users": {},
            "failed_users": [],
            "errors": [],
            "warnings": [],
            "timings": {},
        }
        try:
            self._writable()
            if is_legacy_control_database():
                self._refuse([INSTRUCTIONS])
            source = open_source(options["legacy_url"])
        except (MemoriaError, ImproperlyConfigured) as error:
            self._refuse([str(error)])
        try:
            getattr(self, f"_{phase}")(source)
        except Conflict as error:
            self._stop(LOCKED, [str(error)])
        finally:
            source.close()
            self._write_report()

    # --- phases ---

    def _plan(self, source: Source) -> None:
        plan = self._made_plan(source)
        self._show(plan)
        if plan.gaps:
            self._refuse(plan.gaps)

    def _copy(self, source: Source) -> None:
        with leased(source.label) as migration:
            plan = self._made_plan(source)
            if plan.gaps:
                self._refuse(plan.gaps)
            self._copied(plan, migration)

    def _verify(self, source: Source) -> None:
        with leased(source.label) as migration:
            plan = self._made_plan(source)
            if plan.gaps:
                self._refuse(plan.gaps)
            self._verified(plan, migration)

    def _cutover(self, source: Source) -> None:
        if not self.options["yes"]:
            if not sys.stdin.isatty():
                self._refuse(["stop every writer of the old server, then give --yes"])
            if input("Are all writers of the old server stopped? Type 'stopped': ").strip() != "stopped":
                self._refuse(["cutover needs stopped writers"])
        with leased(source.label) as migration:
            started = time.monotonic()
            before = fingerprint(source, source.tables())
            time.sleep(self.options["quiet_seconds"])
            if moved := _moved(before, fingerprint(source, source.tables())):
                self._refuse([f"somebody is writing to the old database ({moved}); stop every writer first"])
            plan = self._made_plan(source)
            if plan.gaps:
                self._refuse(plan.gaps)
            self._copied(plan, migration)
            self._verified(plan, migration)
            for user_id in plan.users:
                self.report["warnings"] += control_rows_copy(
                    source=source, tables=plan.tables, user_id=user_id
                )
            if moved := _moved(before, fingerprint(source, source.tables())):
                self._refuse(
                    [f"the old database was written to during the cutover ({moved}); nobody was activated"]
                )
            count = activate(migration=migration, user_ids=plan.users)
            self.report["timings"]["cutover"] = round(time.monotonic() - started, 3)
        self.stdout.write(
            f"{count} users are in service here; their old API keys work. Keep the old database."
        )

    def _rollback(self, source: Source) -> None:
        with leased(source.label) as migration:
            users = MigratedUser.objects.filter(migration=migration, phase=Phase.ACTIVE)
            if self.options["user"]:
                users = users.filter(pk__in=self.options["user"])
            count = deactivate(migration=migration, user_ids=list(users.values_list("user_id", flat=True)))
        self.stdout.write(
            f"{count} users are out of service here; start the old server again. Nothing was deleted."
        )

    def _status(self, source: Source) -> None:
        migration = Migration.objects.filter(source=source.label).first()
        if migration is None or not MigratedUser.objects.filter(migration=migration).exists():
            self.stdout.write("Nothing of this database has been migrated.")
            return
        rows = MigratedUser.objects.filter(migration=migration)
        for phase in Phase:
            self.stdout.write(f"{phase.label:10} {rows.filter(phase=phase).count()}")
        for row in rows.exclude(last_error="").order_by("user_id"):
            self.stdout.write(f"failed     {row.user_id!r}: {row.last_error}")
        at = migration.activated_at
        self.stdout.write(f"in service since {at.isoformat()}" if at else "not in service")

    # --- parts ---

    def _made_plan(self, source: Source) -> Plan:
        options = self.options
        plan = plan_make(
            source=source,
            only=options["user"],
            strict=options["strict"],
            keep_vectors=not options["drop_vectors"],
        )
        self.report |= {
            "selected_users": sorted(plan.users),
            "skipped_tables": plan.skipped,
            "unknown": plan.unknown,
            "source_fingerprint": {table: list(values) for table, values in plan.fingerprint.items()},
            "vectors": {"model": plan.vectors.model, "dim": plan.vectors.dim} if plan.vectors else None,
        }
        for user_id, counts in plan.users.items():
            self.report["users"][user_id] = {
                "source_rows": counts,
                "branches": plan.branches.get(user_id, 0),
                "active_snapshots": plan.snapshots.get(user_id, 0),
            }
        self.report["warnings"] += plan.warnings
        return plan

    def _copied(self, plan: Plan, migration: Migration) -> None:
        started = time.monotonic()
        failed: list[str] = []
        columns = (
            TextColumn("copying"),
            BarColumn(),
            MofNCompleteColumn(),
            _RowsPerSecond(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            task = progress.add_task("copying", total=plan.rows)
            results = copy_all(
                url=self.options["legacy_url"],
                plan=plan,
                migration=migration,
                concurrency=self.options["concurrency"],
                tick=lambda rows: progress.advance(task, rows),
            )
            read = written = 0
            for result in results:
                entry = self.report["users"][result.user_id]
                entry |= {"read": result.read, "written": result.written, "removed": result.removed}
                self.report["warnings"] += [f"{result.user_id!r}: {warning}" for warning in result.warnings]
                read, written = read + result.read, written + result.written
                if result.error:
                    failed.append(f"{result.user_id!r}: {result.error}")
                    self.report["failed_users"].append(result.user_id)
        seconds = time.monotonic() - started
        self.report["timings"]["copy"] = round(seconds, 3)
        self.stdout.write(
            f"copied {len(plan.users) - len(failed)} users: {read} rows read, {written} memories written"
        )
        if failed:
            self._stop(PARTIAL, failed)

    def _verified(self, plan: Plan, migration: Migration) -> None:
        started = time.monotonic()
        wrong: list[str] = []
        for result in verify_all(
            url=self.options["legacy_url"],
            plan=plan,
            migration=migration,
            concurrency=self.options["concurrency"],
        ):
            self.report["users"][result.user_id]["checksums"] = result.tables
            wrong += [f"user {result.user_id!r}: {mismatch}" for mismatch in result.mismatches]
        self.report["timings"]["verify"] = round(time.monotonic() - started, 3)
        if wrong:
            self._stop(MISMATCH, wrong)
        self.stdout.write(f"verified {len(plan.users)} users: everything is equal")

    def _show(self, plan: Plan) -> None:
        for user_id, counts in plan.users.items():
            branches = f", {plan.branches[user_id]} branches" if user_id in plan.branches else ""
            self.stdout.write(f"{user_id!r}: {sum(counts.values())} rows{branches}")
        for table, why in sorted(plan.skipped.items()):
            self.stdout.write(f"not copied: {table} ({why})")
        for line in plan.unknown:
            self.stdout.write(f"not known here: {line}")
        for line in plan.warnings:
            self.stdout.write(f"note: {line}")
        self.stdout.write(f"{len(plan.users)} users, {plan.rows} rows")

    def _writable(self) -> None:
        path = self.options["report_out"]
        if path is not None and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            self._refuse([f"the report cannot be written to {path}"])

    def _refuse(self, reasons: list[str]) -> NoReturn:
        self._stop(REFUSED, reasons)

    def _stop(self, code: int, reasons: list[str]) -> NoReturn:
        self.report["errors"] += reasons
        self._write_report()
        raise CommandError("\n".join(reasons), returncode=code)

    def _write_report(self) -> None:
        path = self.options["report_out"]
        if path is None or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            return
        self.report["finished_at"] = timezone.now().isoformat()
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self.report, indent=1, ensure_ascii=False, default=str))
        temporary.replace(path)


def _moved(before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]) -> str:
    """The tables that differ between two fingerprints."""
    return ", ".join(sorted(t for t in before.keys() | after.keys() if before.get(t) != after.get(t)))
