"""Move the users of an earlier server's one shared database to databases of their own."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
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
from rich.table import Table
from rich.text import Text

from apps.legacy.detect import INSTRUCTIONS, is_legacy_control_database
from apps.legacy.models import MigratedUser, Migration, Phase
from apps.legacy.services import by_workers, running
from apps.legacy.services.control_rows import control_rows_copy
from apps.legacy.services.cutover import activate, deactivate
from apps.legacy.services.digests import source_digests
from apps.legacy.services.ledger import leased, refuse_running
from apps.legacy.services.planning import Plan, plan_make
from apps.legacy.services.report import Report
from apps.legacy.services.running import Job
from apps.legacy.source import Source, fingerprint, open_source
from memoria.errors import Conflict, MemoriaError

REFUSED, PARTIAL, MISMATCH, LOCKED = 3, 4, 5, 6
PHASES = ("plan", "copy", "verify", "cutover", "rollback", "status")
# Below this many rows for each, another process costs more to start than it saves.
ROWS_PER_PROCESS = 20_000
USERS_SHOWN = 50
WARNINGS_SHOWN = 20


class _PerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


class Command(BaseCommand):
    help = (
        "Move users from an old shared database: plan, copy (repeat it to catch up), verify, cutover; rollback. "
        "The old database is only read.\n"
        "Example: manage.py migrate_legacy plan --legacy-url mysql://reader:password@host:3306/memoria --strict\n"
        "Exit codes: 0 done, 3 refused, 4 some users failed (repeat the command), 5 verification mismatch, "
        "6 another migration of this database is running."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("phase", choices=PHASES)
        parser.add_argument(
            "--legacy-url",
            default=settings.MEMORIA_LEGACY_URL,
            help="sqlite:///<path> or mysql://user:password@host/name (default: MEMORIA_LEGACY_URL)",
        )
        parser.add_argument("--user", action="append", default=[], help="only this user; may be repeated")
        parser.add_argument("--concurrency", type=int, default=4, help="users at once (default 4)")
        parser.add_argument(
            "--via",
            choices=("processes", "celery"),
            default="processes",
            help="who works: processes of this command, or Celery's workers (with MEMORIA_LEGACY_URL in theirs)",
        )
        parser.add_argument("--report-out", type=Path, help="write a JSON report there")
        parser.add_argument(
            "--strict", action="store_true", help="refuse what is not known here or would not be moved"
        )
        parser.add_argument(
            "--drop-vectors", action="store_true", help="leave old vectors out; texts are embedded anew"
        )
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="copy: give up what users wrote here between a cutover and a rollback",
        )
        parser.add_argument("--yes", action="store_true", help="cutover: the writers are stopped; do not ask")
        parser.add_argument(
            "--quiet-seconds",
            type=float,
            default=5,
            help="cutover: watch the old database this long for writes (default 5)",
        )

    def handle(self, *, phase: str, **options: Any) -> None:
        self.options = options
        self.console = Console(file=self.stderr, highlight=False)  # type: ignore[arg-type]
        self.report = Report(phase, options["report_out"])
        try:
            if reason := self.report.refusal():
                self._refuse([reason])
            if is_legacy_control_database():
                self._refuse([INSTRUCTIONS])
            if not options["legacy_url"]:
                self._refuse(["name the old database: --legacy-url, or MEMORIA_LEGACY_URL"])
            source = open_source(options["legacy_url"])
        except (MemoriaError, ImproperlyConfigured) as error:
            self._refuse([str(error)])
        try:
            getattr(self, f"_{phase}")(source)
        except Conflict as error:
            self._stop(LOCKED, [str(error)])
        except CommandError:
            raise
        except Exception as error:
            self.report.failed([f"{type(error).__name__}: {error}"[:300]])
            raise
        finally:
            source.close()
            self.report.write()

    # --- phases ---

    def _plan(self, source: Source) -> None:
        refuse_running(source.label)
        plan = self._planned(source)
        self._show(plan)
        if plan.gaps:
            self._refuse(plan.gaps)

    def _copy(self, source: Source) -> None:
        with leased(source.label) as migration:
            job, user_ids = self._job(source, migration)
            self._copied(job, user_ids)

    def _verify(self, source: Source) -> None:
        with leased(source.label) as migration:
            job, user_ids = self._job(source, migration)
            self._verified(job, user_ids, again=True)

    def _cutover(self, source: Source) -> None:
        if not self.options["yes"]:
            if not sys.stdin.isatty():
                self._refuse(["stop every writer of the old server, then give --yes"])
            if input("Are all writers of the old server stopped? Type 'stopped': ").strip() != "stopped":
                self._refuse(["cutover needs stopped writers"])
        with leased(source.label) as migration, self._timed("cutover"):
            before = fingerprint(source, source.tables())
            time.sleep(self.options["quiet_seconds"])
            if moved := _moved(before, fingerprint(source, source.tables())):
                self._refuse([f"somebody is writing to the old database ({moved}); stop every writer first"])
            job, user_ids = self._job(source, migration)
            self._copied(job, user_ids)
            self._verified(job, user_ids, again=False)
            with self._timed("keys"):
                warnings = control_rows_copy(source=source, tables=job.tables, user_ids=user_ids)
                self.report.fields["warnings"] += warnings
                self._warn(warnings)
            self.report.shared_copied()
            if moved := _moved(before, fingerprint(source, source.tables())):
                self._refuse(
                    [f"the old database was written to during the cutover ({moved}); nobody was activated"]
                )
            later = source_digests(source=source, tables=job.tables)
            if written := [user_id for user_id in user_ids if later.get(user_id) != job.digests.get(user_id)]:
                self._refuse(
                    [
                        f"old rows of user {u!r} changed during the cutover; nobody was activated"
                        for u in written
                    ]
                )
            count = activate(migration=migration, user_ids=user_ids)
        self.stdout.write(
            f"{count} users are in service here; their old API keys work. Keep the old database."
        )

    def _rollback(self, source: Source) -> None:
        with leased(source.label) as migration:
            users = MigratedUser.objects.filter(migration=migration, phase=Phase.ACTIVE)
            if self.options["user"]:
                users = users.filter(pk__in=self.options["user"])
                known = set(users.values_list("user_id", flat=True))
                if strangers := [user_id for user_id in self.options["user"] if user_id not in known]:
                    self._refuse(
                        [f"user {user_id!r} is not in service by this migration" for user_id in strangers]
                    )
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

    def _planned(self, source: Source) -> Plan:
        options = self.options
        with self._timed("plan"):
            plan = plan_make(
                source=source,
                only=options["user"],
                strict=options["strict"],
                keep_vectors=not options["drop_vectors"],
            )
        self.report.plan(plan, source)
        return plan

    def _job(self, source: Source, migration: Migration) -> tuple[Job, list[str]]:
        plan = self._planned(source)
        if plan.gaps:
            self._refuse(plan.gaps)
        with self._timed("digests"):
            digests = source_digests(source=source, tables=plan.tables)
        known = MigratedUser.objects.filter(migration=migration).exclude(source_digest="")
        before = dict(known.values_list("user_id", "source_digest"))
        changed = [user_id for user_id in plan.users if before.get(user_id) != digests.get(user_id)]
        self.rows = plan.rows
        self.changed_rows = sum(sum(plan.users[user_id].values()) for user_id in changed)
        job = Job(
            self.options["legacy_url"],
            migration.pk,
            plan.tables,
            plan.vectors,
            digests,
            self.options["overwrite"],
        )
        return job, list(plan.users)

    def _copied(self, job: Job, user_ids: list[str]) -> None:
        failed: list[str] = []
        warnings: list[str] = []
        read = written = unchanged = 0
        with self._timed("copy"), self._progress("copying", self.changed_rows, "rows") as (progress, task):

            def tick(rows: int) -> None:
                progress.advance(task, rows)

            if self.options["via"] == "celery":
                results = by_workers.copy_all(job=job, user_ids=user_ids, tick=tick, idle=self._idle)
            else:
                results = running.copy_all(
                    job=job, user_ids=user_ids, processes=self._processes(self.changed_rows), tick=tick
                )
            for result in results:
                self.report.copied(result)
                read, written = read + result.read, written + result.written
                unchanged += result.is_unchanged
                warnings += [f"user {result.user_id!r}: {warning}" for warning in result.warnings]
                if result.error:
                    failed.append(f"{result.user_id!r}: {result.error}")
        as_before = f"; {unchanged} had not changed" if unchanged else ""
        self.stdout.write(
            f"copied {len(user_ids) - len(failed)} users: {read} rows read, {written} memories written{as_before}"
        )
        self._warn(warnings)
        self.report.write()
        if failed:
            self._stop(PARTIAL, failed)

    def _verified(self, job: Job, user_ids: list[str], *, again: bool) -> None:
        wrong: list[str] = []
        unchanged = 0
        with self._timed("verify"), self._progress("verifying", len(user_ids), "users") as (progress, task):
            if self.options["via"] == "celery":
                results = by_workers.verify_all(job=job, user_ids=user_ids, again=again, idle=self._idle)
            else:
                results = running.verify_all(
                    job=job,
                    user_ids=user_ids,
                    processes=self._processes(self.rows if again else self.changed_rows),
                    again=again,
                )
            for result in results:
                progress.advance(task)
                self.report.verified(result)
                unchanged += result.is_unchanged
                wrong += [f"user {result.user_id!r}: {mismatch}" for mismatch in result.mismatches]
        self.report.write()
        if wrong:
            self._stop(MISMATCH, wrong)
        as_before = f" ({unchanged} as verified before)" if unchanged else ""
        self.stdout.write(f"verified {len(user_ids)} users: everything is equal{as_before}")

    def _warn(self, warnings: list[str]) -> None:
        for line in warnings[:WARNINGS_SHOWN]:
            self.stdout.write(f"warning: {line}")
        if (more := len(warnings) - WARNINGS_SHOWN) > 0:
            self.stdout.write(f"and {more} more warnings; --report-out lists them all")

    def _processes(self, rows: int) -> int:
        return min(self.options["concurrency"], 1 + rows // ROWS_PER_PROCESS)

    def _idle(self) -> None:
        self.stderr.write(
            "No worker has answered yet. Start one that has MEMORIA_LEGACY_URL in its environment: make worker"
        )

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.report.fields["timings"][what] = round(time.monotonic() - started, 3)

    @contextmanager
    def _progress(self, what: str, total: int, unit: str) -> Iterator[tuple[Progress, Any]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            _PerSecond(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            yield progress, progress.add_task(what, total=total)

    def _show(self, plan: Plan) -> None:
        table = Table(
            "user", "rows", "branches", "live snapshots", title=f"{len(plan.users)} users, {plan.rows} rows"
        )
        for user_id, counts in list(plan.users.items())[:USERS_SHOWN]:
            branches = len(plan.branches.get(user_id, ()))
            table.add_row(
                Text(repr(user_id)),
                str(sum(counts.values())),
                str(branches),
                str(plan.snapshots.get(user_id, 0)),
            )
        Console(file=self.stdout, highlight=False).print(table)  # type: ignore[arg-type]
        if (more := len(plan.users) - USERS_SHOWN) > 0:
            self.stdout.write(f"and {more} smaller ones; --report-out lists them all")
        for name, why in sorted(plan.skipped.items()):
            self.stdout.write(f"not copied: {name} ({why})")
        for line in plan.unknown:
            self.stdout.write(f"not known here: {line}")
        for line in plan.warnings:
            self.stdout.write(f"note: {line}")
        self.stdout.write(f"{len(plan.users)} users, {plan.rows} rows")

    def _refuse(self, reasons: list[str]) -> NoReturn:
        self._stop(REFUSED, reasons)

    def _stop(self, code: int, reasons: list[str]) -> NoReturn:
        self.report.failed(reasons)
        self.report.write()
        raise CommandError("\n".join(reasons), returncode=code)


def _moved(before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]) -> str:
    """The tables that differ between two fingerprints."""
    return ", ".join(sorted(t for t in before.keys() | after.keys() if before.get(t) != after.get(t)))
