"""Move the users of an earlier server's one shared database to databases of their own."""

import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from rich.console import Console

from apps.legacy.detect import INSTRUCTIONS, is_behind, is_legacy_control_database
from apps.legacy.management.console import plan_show, work_shown
from apps.legacy.management.interruption import Interrupted, Signals
from apps.legacy.models import MigratedUser, Migration, Phase
from apps.legacy.services import by_workers, running
from apps.legacy.services.control_rows import control_rows_copy
from apps.legacy.services.cutover import activate, deactivate
from apps.legacy.services.digests import source_digests
from apps.legacy.services.faults import MISMATCH, PARTIAL, REFUSED, Fault, fault, said_by
from apps.legacy.services.identity import identity_note, ledger_name
from apps.legacy.services.ledger import Held, drop_lost_connection, leased, refuse_running
from apps.legacy.services.leftovers import Choice, Leftover, leftover_resolve, shown
from apps.legacy.services.planning import Options, Plan, plan_make
from apps.legacy.services.report import Report
from apps.legacy.services.running import Job
from apps.legacy.services.side_by_side import (
    FAR_USERS_AT_ONCE,
    USERS_AT_ONCE,
    Places,
    is_far,
    places_for,
)
from apps.legacy.services.verifying_control import control_rows_verify
from apps.legacy.source import Source, fingerprint, open_source
from apps.tenancy import schema
from apps.tenancy.servers import server_names

# Options that the report repeats: none of them holds a password.
REPORTED = (
    *"user concurrency via strict drop_vectors overwrite skip_missing_branches".split(),
    *"leftovers fail_fast yes quiet_seconds".split(),
)
PHASES = ("plan", "copy", "verify", "cutover", "rollback", "status")
WARNINGS_SHOWN = 20


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


class Command(BaseCommand):
    help = (
        "Move users from an old shared database: plan, copy (repeat it to catch up), verify, cutover; rollback. "
        "The old database is only read.\n"
        "Example: manage.py migrate_legacy plan --legacy-url mysql://reader:password@host:3306/memoria --strict\n"
        "Exit codes: 0 done, 3 refused, 4 some users failed (repeat the command), 5 verification mismatch, "
        "6 another migration of this database is running, 130 and 143 interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("phase", choices=PHASES)
        parser.add_argument(
            "--legacy-url",
            default=settings.MEMORIA_LEGACY_URL,
            help="sqlite:///<path> or mysql://user:password@host/name (default: MEMORIA_LEGACY_URL)",
        )
        parser.add_argument("--user", action="append", default=[], help="only this user; may be repeated")
        parser.add_argument(
            "--concurrency",
            type=_positive,
            help=f"users at once (default {USERS_AT_ONCE}; {FAR_USERS_AT_ONCE} where a server is far away)",
        )
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
        parser.add_argument(
            "--fail-fast",
            action="store_true",
            help="begin nobody else once a user has failed (default: go on with all others)",
        )
        parser.add_argument(
            "--skip-missing-branches",
            action="store_true",
            help="go on without the branches whose tables are not in the old database",
        )
        parser.add_argument(
            "--leftovers",
            choices=list(map(str, Choice)),
            help="what to do with databases that an abandoned migration left, and with copies of users who are gone",
        )
        parser.add_argument(
            "--yes",
            action="store_true",
            help="do not ask: the writers are stopped (cutover), the leftovers may be changed (--leftovers)",
        )
        parser.add_argument(
            "--quiet-seconds",
            type=float,
            default=5,
            help="cutover: watch the old database this long for writes (default 5)",
        )

    def handle(self, *, phase: str, **options: Any) -> None:
        self.options = options
        self.console = Console(file=self.stderr, highlight=False)  # type: ignore[arg-type]
        used = {name: options[name] for name in REPORTED}
        self.report = Report(phase, options["report_out"], used)
        self.signals = Signals()
        source: Source | None = None
        try:
            with self.signals.watched():
                source = self._ready()
                self.report.sides(source)
                getattr(self, f"_{phase}")(source)
        except CommandError as error:
            self.report.ended("failed", error.returncode)
            raise
        except (Interrupted, Exception) as error:
            if (
                interrupted := self.signals.interrupted
            ) is not None:  # or what became of it in a driver's callback
                known: Fault | None = Fault(interrupted.code, str(interrupted))
            else:
                known = fault(error)
            self.report.failed([known.text if known else f"{type(error).__name__}: {error}"[:300]])
            self.report.ended(
                "interrupted" if self.signals.interrupted else "failed", known.code if known else 1
            )
            if known is None:
                raise
            raise CommandError(known.text, returncode=known.code) from None
        finally:
            if source is not None:
                source.close()
        self.report.ended("done", 0)

    def _ready(self) -> Source:
        """The open old database, once this server's side is found to be fit for a migration."""
        if reason := self.report.refusal():
            self._refuse([reason])
        try:
            if is_legacy_control_database():
                self._refuse([INSTRUCTIONS])
            behind = is_behind()
        except Error as error:
            said = said_by(error)
            self._refuse(
                [f"this server's control database cannot be used: see MEMORIA_DATABASE_URL ({said})"]
            )
        if behind:
            self._refuse(
                ["this server's control database lacks tables of this version: run 'manage.py migrate'"]
            )
        if not self.options["legacy_url"]:
            self._refuse(["name the old database: --legacy-url, or MEMORIA_LEGACY_URL"])
        return open_source(self.options["legacy_url"])

    # --- phases ---

    def _plan(self, source: Source) -> None:
        refuse_running(ledger_name(source))
        plan = self._planned(source)
        plan_show(plan, self.stdout)
        self._warn(plan.warnings, "note")
        self.stdout.write(f"{len(plan.users)} users, {plan.rows} rows")
        if plan.gaps:
            self._refuse(plan.gaps)

    def _copy(self, source: Source) -> None:
        with leased(ledger_name(source)) as held:
            job, user_ids = self._job(source, held)
            self._copied(job, user_ids)

    def _verify(self, source: Source) -> None:
        with leased(ledger_name(source)) as held:
            job, user_ids = self._job(source, held, with_serving=True)
            serving = MigratedUser.objects.filter(
                migration=held.migration, phase=Phase.ACTIVE, pk__in=user_ids
            )
            found = control_rows_verify(
                source=source,
                tables=job.tables,
                user_ids=frozenset(serving.values_list("pk", flat=True)),
                since=held.migration.started_at,
                is_serving=True,
            )
            self._verified(job, user_ids, again=True, found=found)

    def _cutover(self, source: Source) -> None:
        if not self.options["yes"]:
            if not sys.stdin.isatty():
                self._refuse(["stop every writer of the old server, then give --yes"])
            if input("Are all writers of the old server stopped? Type 'stopped': ").strip() != "stopped":
                self._refuse(["cutover needs stopped writers"])
        with leased(ledger_name(source)) as held, self._timed("cutover"):
            before = fingerprint(source, source.tables())
            time.sleep(self.options["quiet_seconds"])
            if moved := _moved(before, fingerprint(source, source.tables())):
                self._refuse([f"somebody is writing to the old database ({moved}); stop every writer first"])
            job, user_ids = self._job(source, held)
            self._copied(job, user_ids)
            self._verified(job, user_ids, again=False)
            with self._timed("keys"):
                held.check()
                began = held.migration.started_at
                warnings = control_rows_copy(source=source, tables=job.tables, user_ids=user_ids, since=began)
                self.report.fields["warnings"] += warnings
                self._warn(warnings)
                users = frozenset(user_ids)
                found = control_rows_verify(
                    source=source, tables=job.tables, user_ids=users, since=began, is_serving=False
                )
            self.report.shared_copied(users)
            self.report.mismatched(found)
            if found:
                self._stop(MISMATCH, [f"user {user_id!r}: {mismatch}" for user_id, mismatch in found])
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
            count = activate(migration=held.migration, user_ids=user_ids)
        self.stdout.write(
            f"{count} users are in service here; their old API keys work. Keep the old database."
        )

    def _rollback(self, source: Source) -> None:
        with leased(ledger_name(source)) as held:
            users = MigratedUser.objects.filter(migration=held.migration, phase=Phase.ACTIVE)
            if self.options["user"]:
                users = users.filter(pk__in=self.options["user"])
                known = set(users.values_list("user_id", flat=True))
                if strangers := [user_id for user_id in self.options["user"] if user_id not in known]:
                    self._refuse(
                        [f"user {user_id!r} is not in service by this migration" for user_id in strangers]
                    )
            count = deactivate(
                migration=held.migration, user_ids=list(users.values_list("user_id", flat=True))
            )
        self.stdout.write(
            f"{count} users are out of service here; start the old server again. Nothing was deleted."
        )

    def _status(self, source: Source) -> None:
        migration = Migration.objects.filter(source=ledger_name(source)).first()
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

    def _planned(self, source: Source, *, with_serving: bool = False) -> Plan:
        options = self.options
        with self._timed("plan"):
            chosen = Options(
                only=tuple(options["user"]),
                strict=options["strict"],
                keep_vectors=not options["drop_vectors"],
                skip_missing_branches=options["skip_missing_branches"],
                leftovers=Choice(options["leftovers"]) if options["leftovers"] else None,
                with_serving=with_serving,
            )
            plan = plan_make(source=source, options=chosen)
        self.report.plan(plan, source)
        return plan

    def _job(self, source: Source, held: Held, *, with_serving: bool = False) -> tuple[Job, list[str]]:
        identity_note(source, held.lease.migration_id)
        plan = self._planned(source, with_serving=with_serving)
        if plan.gaps:
            self._refuse(plan.gaps)
        self._warn(plan.warnings, "note")
        if plan.leftovers and not with_serving:
            self._resolve(plan.leftovers, held.migration)
        with self._timed("digests"):
            digests = source_digests(source=source, tables=plan.tables)
        known = MigratedUser.objects.filter(migration=held.migration).exclude(source_digest="")
        before = dict(known.values_list("user_id", "source_digest"))
        changed = [user_id for user_id in plan.users if before.get(user_id) != digests.get(user_id)]
        self.held = held
        self.is_far = is_far(source)
        self.rows = plan.rows
        self.rows_of = {user_id: sum(counts.values()) for user_id, counts in plan.users.items()}
        self.changed_rows = sum(self.rows_of[user_id] for user_id in changed)
        job = Job(
            self.options["legacy_url"],
            held.lease,
            plan.tables,
            plan.vectors,
            digests,
            self.options["overwrite"],
            self.options["fail_fast"],
        )
        return job, list(plan.users)

    def _resolve(self, leftovers: list[Leftover], migration: Migration) -> None:
        choice = Choice(self.options["leftovers"])
        what = f"--leftovers {choice}: {len(leftovers)} databases: {shown(leftovers)}"
        if not self.options["yes"]:
            if not sys.stdin.isatty():
                self._refuse([f"{what}. Confirm it with --yes"])
            if input(f"{what}. Type their number: ").strip() != str(len(leftovers)):
                self._refuse(["nothing was changed"])
        for leftover in leftovers:
            leftover_resolve(leftover, choice, migration_id=migration.pk)
        self.stdout.write(what)

    def _copied(self, job: Job, user_ids: list[str]) -> None:
        failed: list[str] = []
        warnings: list[str] = []
        read = written = unchanged = done = 0
        with (
            self._timed("copy"),
            work_shown(self.console, "copying", self.changed_rows, "rows") as (progress, task),
        ):

            def tick(rows: int) -> None:
                self.held.check()
                progress.advance(task, rows)

            for name in server_names():
                schema.ensure_template(name)  # else everybody who is begun first would wait for one of them
            if self.options["via"] == "celery":
                results = by_workers.copy_all(job=job, user_ids=user_ids, tick=tick, say=self.stderr.write)
            else:
                results = running.copy_all(
                    job=job, user_ids=user_ids, places=self._places(self.changed_rows), tick=tick
                )
            for result in results:
                self.report.copied(result)
                read, written = read + result.read, written + result.written
                unchanged += result.is_unchanged
                warnings += [f"user {result.user_id!r}: {warning}" for warning in result.warnings]
                done += 1
                if result.error:
                    failed.append(f"{result.user_id!r}: {result.error}")
        self._confirm()
        self.report.databases_made()
        as_before = f"; {unchanged} had not changed" if unchanged else ""
        self.stdout.write(
            f"copied {done - len(failed)} users: {read} rows read, {written} memories written{as_before}"
        )
        self._warn(warnings)
        self.report.write()
        if failed and (left := len(user_ids) - done):
            failed.append(f"--fail-fast: {left} users were not begun")
        if failed:
            self._stop(PARTIAL, failed)

    def _verified(
        self, job: Job, user_ids: list[str], *, again: bool, found: Sequence[tuple[str, str]] = ()
    ) -> None:
        """`found` is what is known to be wrong beside the users' own databases."""
        wrong = [f"user {user_id!r}: {mismatch}" for user_id, mismatch in found]
        used: list[str] = []
        unchanged = done = 0
        with (
            self._timed("verify"),
            work_shown(self.console, "verifying", self.rows, "rows") as (progress, task),
        ):

            def tick(rows: int) -> None:
                self.held.check()
                progress.advance(task, rows)

            if self.options["via"] == "celery":
                results = by_workers.verify_all(
                    job=job, user_ids=user_ids, again=again, tick=tick, say=self.stderr.write
                )
            else:
                results = running.verify_all(
                    job=job,
                    user_ids=user_ids,
                    places=self._places(self.rows if again else self.changed_rows),
                    again=again,
                    tick=tick,
                )
            for result in results:
                if result.is_unchanged:  # nothing of them was read
                    progress.advance(task, self.rows_of[result.user_id])
                done += 1
                self.report.verified(result)
                unchanged += result.is_unchanged
                wrong += [f"user {result.user_id!r}: {mismatch}" for mismatch in result.mismatches]
                if result.differs_by_use:
                    used.append(
                        f"user {result.user_id!r} has written here since the cutover, and differs from the old"
                        f" database: {'; '.join(result.differs_by_use)}"
                    )
        self._confirm()
        self.report.mismatched(found)
        self._warn(used)
        self.report.write()
        if wrong and (left := len(user_ids) - done):
            wrong.append(f"--fail-fast: {left} users were not begun")
        if wrong:
            self._stop(MISMATCH, wrong)
        as_before = f" ({unchanged} as verified before)" if unchanged else ""
        equal = f"verified {len(user_ids) - len(used)} users: everything is equal{as_before}"
        self.stdout.write(equal + (f"; {len(used)} have written here since" if used else ""))

    def _confirm(self) -> None:
        """Nothing of what was found counts where another process has taken over."""
        drop_lost_connection()  # it had nothing to say for as long as the work took
        self.held.confirm()

    def _warn(self, warnings: list[str], what: str = "warning") -> None:
        for line in warnings[:WARNINGS_SHOWN]:
            self.stdout.write(f"{what}: {line}")
        if (more := len(warnings) - WARNINGS_SHOWN) > 0:
            self.stdout.write(f"and {more} more; --report-out lists them all")

    def _places(self, rows: int) -> Places:
        return places_for(rows, users_at_once=self.options["concurrency"], is_far=self.is_far)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        self.signals.check()
        started = time.monotonic()
        try:
            yield
        finally:
            self.report.fields["timings"][what] = round(time.monotonic() - started, 3)
            self.report.write()

    def _refuse(self, reasons: list[str]) -> NoReturn:
        self._stop(REFUSED, reasons)

    def _stop(self, code: int, reasons: list[str]) -> NoReturn:
        self.report.failed(reasons)
        raise CommandError("\n".join(reasons), returncode=code)


def _moved(before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]) -> str:
    """The tables that differ between two fingerprints."""
    return ", ".join(sorted(t for t in before.keys() | after.keys() if before.get(t) != after.get(t)))
