"""What the command says of what it cannot work with: one line each, with what to do next and the documented code."""

import json
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from django.db import InterfaceError, OperationalError

from apps.legacy.made import Writer, make_legacy
from apps.legacy.services.digests import source_digests
from apps.legacy.services.faults import fault
from apps.memories.models import Memory
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find, registration_route
from apps.versioning.models import Branch
from memoria.errors import Conflict, Invalid, Unavailable
from tests.apps.legacy.deployment import Deployment
from tests.conftest import MakeUser
from tests.servers import MariaDB


@pytest.fixture
def old(tmp_path: Path, make_user: MakeUser) -> str:
    """The URL of a small old database, worked on by this process."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    make_legacy(url=url, users=2, memories=6, seed=1, dim=8)
    return url


def write(url: str, *statements: str, parameters: tuple[Any, ...] = ()) -> None:
    writer = Writer(url)
    for statement in statements:
        writer.execute(statement, parameters)
    writer.commit()
    writer.close()


def said(phase: str, url: str, *options: str) -> tuple[int, str]:
    """Exit code and message of a command that does not succeed; 0 where it does."""
    try:
        call_command("migrate_legacy", phase, "--legacy-url", url, *options)
    except CommandError as error:
        return error.returncode, str(error)
    return 0, ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.db", None, "does not exist"),
        (".", None, "does not exist, or is no file"),
        ("text.db", b"no database at all, but long enough to be looked at" * 40, "must be a SQLite file"),
        ("empty.db", b"", "has no table mem_memories"),
    ],
)
def test_what_is_no_old_database_is_refused(
    db: None, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, text = said("plan", f"sqlite:///{tmp_path / name}")
    assert (code, message in text, text.count("\n")) == (3, True, 0), text


def test_a_control_plane_without_its_tables_is_refused(
    db: None, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.legacy.management.commands.migrate_legacy.is_behind", lambda: True)
    code, text = said("plan", old)
    assert (code, "manage.py migrate" in text) == (3, True)


class Gone(Exception):
    __module__ = "MySQLdb"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (Conflict("another migration is running"), 6, "another migration"),
        (Invalid("no such thing"), 3, "no such thing"),
        (Unavailable("user server 'a' refused"), 4, "repeat the command"),
        (OperationalError(2006, "Server has gone away"), 4, "own database does not answer"),
        (InterfaceError(0, ""), 4, "own database does not answer"),
        (Gone(2013, "Lost connection\nduring query"), 4, "the old database does not answer any more"),
        (Gone(1142, "SELECT command denied"), 3, "see what the account may do"),
        (sqlite3.OperationalError("database is locked"), 4, "locked by somebody"),
        (sqlite3.DatabaseError("database disk image is malformed"), 3, "restore the file"),
    ],
)
def test_each_fault_has_a_code_and_one_line(error: Exception, code: int, message: str) -> None:
    found = fault(error)
    assert found is not None
    assert (found.code, message in found.text, "\n" in found.text) == (code, True, False), found


def test_a_server_that_does_not_let_us_in_is_told_without_the_password(
    db: None, mariadb: MariaDB, tmp_path: Path
) -> None:
    socket = f"?unix_socket={mariadb.socket}"
    report = tmp_path / "report.json"
    for url in (
        f"mysql://memoria:s3cret@localhost/old{socket}",
        f"mysql://nobody:s3cret@localhost/old{socket}",
        "mysql://memoria:s3cret@127.0.0.1:1/old?connect_timeout=1",
        f"{mariadb.url('there_is_none')}&read_timeout=5",
    ):
        code, text = said("plan", url, "--report-out", str(report))
        assert (code, "cannot be opened" in text, "\n" in text) == (3, True, False), text
        for secret in ("s3cret", mariadb.password, quote(mariadb.password, safe="")):
            assert secret not in text + report.read_text()


def test_a_server_that_goes_away_meanwhile_is_told(
    db: None, make_user: MakeUser, mariadb: MariaDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = mariadb.url(f"old_gone_{tmp_path.name}")
    make_legacy(url=url, users=1, memories=2, seed=1, dim=0)

    def cut(*, source: Any, **options: Any) -> Any:
        mariadb.execute(f"KILL {source._connection.thread_id()}")
        return source_digests(source=source, **options)

    monkeypatch.setattr("apps.legacy.management.commands.migrate_legacy.source_digests", cut)
    for phase in ("copy", "verify"):
        code, text = said(phase, url)
        assert (code, "the old database does not answer any more" in text, "\n" in text) == (
            4,
            True,
            False,
        ), text
    monkeypatch.undo()
    assert said("copy", url) == (0, "")


def test_what_nobody_foresaw_stays_an_error() -> None:
    assert fault(KeyError("x")) is None


def test_a_lost_connection_is_told_and_reported(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise Gone(2013, "Lost connection to server during query")

    monkeypatch.setattr("apps.legacy.management.commands.migrate_legacy.source_digests", lost)
    report = tmp_path / "report.json"
    code, text = said("copy", old, "--report-out", str(report))
    assert (code, "repeat the command" in text) == (4, True)
    found = json.loads(report.read_text())
    assert (found["outcome"], found["exit_code"], found["errors"]) == ("failed", 4, [text])


def test_text_that_is_not_utf8_fails_its_user_and_names_the_row(old: str) -> None:
    (memory_id,) = Writer(old).execute("SELECT MIN(memory_id) FROM mem_memories WHERE user_id = 'Ada'")[0]
    spoilt = "UPDATE mem_memories SET content = CAST(X'636166E9' AS TEXT) WHERE memory_id = %s"
    write(old, spoilt, parameters=(memory_id,))
    code, text = said("copy", old)
    assert code == 4
    assert text.startswith("'Ada': 1 rows of the old database cannot be carried")
    assert f"table mem_memories, memory_id '{memory_id}', column content: 'caf" in text
    write(old, "UPDATE mem_memories SET content = 'mended' WHERE memory_id = %s", parameters=(memory_id,))
    assert said("copy", old) == (0, "")
    assert said("verify", old) == (0, "")
    write(old, spoilt, parameters=(memory_id,))
    code, text = said("verify", old)
    assert code == 5
    assert f"table mem_memories, memory_id '{memory_id}', column content): mend it there" in text


def test_odd_keys_tools_and_cooldowns_are_named_without_secrets(old: str) -> None:
    write(old, "UPDATE mem_api_keys SET created_at = 'soon' WHERE key_id = 'key-00000000'")
    write(old, "UPDATE mem_api_keys SET is_active = 'maybe' WHERE key_id = 'key-00000000r'")
    write(old, "UPDATE mem_api_keys SET key_prefix = key_hash || key_hash WHERE key_id = 'key-00000001'")
    write(old, "UPDATE mem_tool_usage SET last_used_at = 12 WHERE user_id = 'ada' AND tool_name = 'cli'")
    write(old, "UPDATE mem_governance_cooldown SET last_run_at = 'never' WHERE user_id = 'Ada'")
    code, text = said("cutover", old, "--yes", "--quiet-seconds", "0")
    assert (code, text.count("\n")) == (3, 0)
    assert text.startswith("5 rows of the old database cannot be carried, mend them there: ")
    for each in (
        "table mem_api_keys, user_id 'ada', key_id 'key-00000000', column created_at: 'soon' is no time",
        "table mem_api_keys, user_id 'ada', key_id 'key-00000000r', column is_active: 'maybe' says neither",
        "table mem_api_keys, user_id 'Ada', key_id 'key-00000001', column key_prefix: what is there is longer",
        "table mem_tool_usage, user_id 'ada', tool_name 'cli', column last_used_at: 12 is no time",
        "table mem_governance_cooldown, user_id 'Ada', operation 'consolidate', column last_run_at: 'never' is",
    ):
        assert each in text, text
    for (hashed,) in Writer(old).execute("SELECT key_hash FROM mem_api_keys"):
        assert hashed not in text
    write(old, "UPDATE mem_api_keys SET created_at = '2024-01-01', is_active = 1, key_prefix = 'sk-'")
    write(old, "UPDATE mem_tool_usage SET last_used_at = '2024-01-01'")
    write(old, "UPDATE mem_governance_cooldown SET last_run_at = '2024-01-01'")
    assert said("cutover", old, "--yes", "--quiet-seconds", "0") == (0, "")
    write(old, "UPDATE mem_api_keys SET expires_at = 'soon' WHERE key_id = 'key-00000000'")
    write(old, "UPDATE mem_governance_cooldown SET last_run_at = 'never' WHERE user_id = 'Ada'")
    code, text = said("verify", old)
    assert (code, "Traceback" in text) == (5, False)
    assert text.splitlines() == [
        "user 'ada': mem_api_keys: expires_at of 'key-00000000' in the old database cannot be read: mend it there",
        "user 'Ada': mem_governance_cooldown: last_run_at of 'consolidate' in the old database cannot be read:"
        " mend it there",
    ]


def test_old_versions_lack_columns(old: str) -> None:
    # the reference added these one by one (its compatibility patches)
    lacking = {
        "mem_branches": ("id", "status", "created_at"),
        "mem_snapshots": ("id", "extra", "status", "created_at"),
        "mem_edit_log": ("memory_id", "payload", "reason", "snapshot_before", "created_at", "created_by"),
        "mem_memories": ("author_id", "subject_id", "extra_metadata", "trust_tier", "initial_confidence"),
        "mem_memories_stats": ("feedback_useful", "feedback_wrong", "last_feedback_at"),
        "mem_retrieval_feedback": ("context", "created_at"),
        "mem_user_state": ("updated_at",),
        "mem_entities": ("display_name", "entity_type", "embedding", "created_at"),
        "mem_memory_entity_links": ("weight", "created_at"),
        "mem_api_keys": ("group_id", "is_active", "expires_at", "last_used_at"),
    }
    writer = Writer(old)
    writer.execute("DELETE FROM mem_branches WHERE status = 'deleted'")
    for table, columns in lacking.items():  # anew, since SQLite does not drop columns of keys
        kept = [row[1] for row in writer.execute(f"PRAGMA table_info({table})") if row[1] not in columns]
        listed = ", ".join(kept)
        writer.execute(f"CREATE TABLE made_anew AS SELECT {listed} FROM {table}")
        writer.execute(f"DROP TABLE {table}")
        writer.execute(f"ALTER TABLE made_anew RENAME TO {table}")
    writer.commit()
    writer.close()
    assert said("plan", old) == (0, "")
    assert said("cutover", old, "--yes", "--quiet-seconds", "0") == (0, "")
    assert said("verify", old) == (0, "")
    found = registration_find(user_id="ada")
    assert found is not None
    with user_database(registration_route(found)):
        assert Branch.objects.filter(live_name="work").count() == 1
        assert Memory.objects.count() == 7  # with one that was written after the branch was made
        assert set(Memory.objects.values_list("trust_tier", flat=True)) == {"T1"}


def test_a_branch_without_its_table_is_refused_or_left_out(old: str) -> None:
    write(
        old,
        "ALTER TABLE br_000000_work RENAME TO [br_odd-name]",
        "DELETE FROM mem_branches WHERE name = 'early'",
    )
    code, text = said("copy", old)
    assert code == 3
    assert "table br_000000_work of branch 'work' of 'ada' is missing" in text
    assert "--skip-missing-branches" in text
    assert said("cutover", old, "--skip-missing-branches", "--yes", "--quiet-seconds", "0") == (0, "")
    write(old, "ALTER TABLE mem_branches DROP COLUMN table_name")
    assert "names no table" in said("verify", old)[1]
    assert said("verify", old, "--skip-missing-branches") == (0, "")


def test_the_report_says_who_did_what_where(old: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ("--yes", "--quiet-seconds", "0", "--concurrency", "1")
    assert said("cutover", old, *options, "--report-out", str(report)) == (0, "")
    found = json.loads(report.read_text())
    assert (found["outcome"], found["exit_code"], found["errors"]) == ("done", 0, [])
    assert found["host"]
    assert found["source"].endswith("old.db")
    assert found["versions"]["source"] == f"SQLite {sqlite3.sqlite_version}"
    assert found["versions"]["target"].split()[0] in ("SQLite", "MySQL", "MariaDB")
    assert all(found["versions"].values())
    assert (found["options"]["yes"], found["options"]["concurrency"]) == (True, 1)
    assert {"plan", "digests", "copy", "verify", "keys", "cutover"} <= found["timings"].keys()
    contract = (
        "dry_run legacy_db_name shared_db_name pre_execute_account_snapshot selected_users shared_tables"
    )
    contract += " skipped_shared_runtime_tables users warnings"
    assert set(contract.split()) <= found.keys()
    for user in found["users"]:
        per_user = "user_id target_db active_branch active_snapshot_count tables branch_tables warnings"
        assert set(per_user.split()) <= user.keys()
        assert {"seconds", "verify_seconds", "checksums"} <= user.keys()
        for table in (*user["tables"], *user["branch_tables"]):
            assert {"table_name", "source_rows", "target_rows", "status", "note"} <= table.keys()
    keys = next(table for table in found["shared_tables"] if table["table_name"] == "mem_api_keys")
    assert (keys["source_rows"], keys["target_rows"], keys["status"]) == (5, 4, "copied")  # one of a group


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("deployment", ["sqlite"], indirect=True)
def test_an_interrupted_command_leaves_a_report(deployment: Deployment, number: signal.Signals) -> None:
    report = deployment.folder / "report.json"
    options = ("--legacy-url", deployment.old, "--yes", "--quiet-seconds", "0", "--report-out", str(report))
    running = deployment.start("migrate_legacy", "cutover", *options)
    deadline = time.monotonic() + 60
    while not report.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.signal(number)
    done = running.wait()
    assert done.returncode == 128 + number, done
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(report.read_text())
    assert (found["outcome"], found["exit_code"]) == ("interrupted", 128 + number)
    deployment.cutover()
