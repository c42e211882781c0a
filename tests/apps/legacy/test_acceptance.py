"""What the earlier tool got wrong, by the numbers of the list of its weak points (W-nn).

W-44 is in test_kills.py, W-54 in test_planning.py; W-59, how long far servers take, is measured by bench/migrate.py.
"""

import json
import signal
import subprocess
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import numpy as np
import pytest

from apps.legacy.made import Writer, memory_row, raw_key
from tests.apps.legacy.deployment import (
    SEVERAL_PROCESSES,
    SEVERAL_THREADS,
    USERS,
    Deployment,
    contents,
    plain,
)
from tests.servers import MariaDB

SAME = "memory_id, content, memory_type, session_id, subject_id, author_id, is_active, superseded_by"
TIMES = "observed_at, created_at, updated_at"


def test_what_arrives_is_what_was_there(deployment: Deployment) -> None:
    # W-07, W-53: compared here by plain SQL on both sides; the old database is as it was
    before = deployment.old_rows("SELECT * FROM mem_memories ORDER BY memory_id")
    deployment.cutover()
    assert deployment.old_rows("SELECT * FROM mem_memories ORDER BY memory_id") == before
    for user_id in ("ada", "Ada", "ada ", "x\\' OR 1=1 -- ", "用户", "cafe\u0301"):
        quoted = (
            user_id.replace("\\", "\\\\").replace("'", "''")
            if deployment.old.startswith("mysql")
            else user_id.replace("'", "''")
        )
        old = deployment.old_rows(f"SELECT {SAME}, {TIMES} FROM mem_memories WHERE user_id = '{quoted}'")
        assert len(old) >= 30, user_id
        new = deployment.target_rows(user_id, f"SELECT {SAME}, {TIMES} FROM mem_memories")
        assert Counter(map(plain, new)) == Counter(map(plain, old)), user_id
        vectors = {
            memory_id: unit(raw)
            for memory_id, raw in deployment.old_rows(
                f"SELECT memory_id, embedding FROM mem_memories WHERE user_id = '{quoted}'"
                " AND LENGTH(embedding) > 2"
            )
        }
        joined = (
            "SELECT m.memory_id, e.vector FROM mem_memories m JOIN mem_embeddings e ON e.id = m.embedding_id"
        )
        found = {
            plain((key,))[0]: np.frombuffer(raw, dtype="<f2")
            for key, raw in deployment.target_rows(user_id, joined)
        }
        assert found.keys() == vectors.keys()
        for memory_id, wanted in vectors.items():
            assert np.allclose(found[memory_id], wanted, atol=1e-3), memory_id


def unit(raw: str | bytes) -> "np.ndarray[Any, Any]":
    """A vector of the old database: text, or bytes that begin like none or cannot be one."""
    try:
        numbers = np.array(json.loads(raw))
    except ValueError:
        numbers = np.frombuffer(raw.encode() if isinstance(raw, str) else raw, dtype="<f4")
    return numbers / np.linalg.norm(numbers)


def test_a_branch_means_what_it_meant(deployment: Deployment) -> None:
    # W-40, W-41
    own = [
        r[0]
        for r in deployment.old_rows(
            "SELECT memory_id FROM mem_memories WHERE user_id = 'ada' ORDER BY memory_id"
        )
    ]
    said = deployment.migrate("plan")
    assert "rows of other users: they are left out" in " ".join(said.split())
    deployment.cutover()
    server = deployment.serve()
    try:
        ada = server.client(raw_key("ada"))
        shown = ada.get("/v1/branches/work/diff-items").json()
        assert [item["content"] for item in shown["added"]] == ["only on the branch"]
        assert [item["content"] for item in shown["updated"]] == ["changed on the branch"]
        assert [item["memory_id"] for item in shown["removed"]] == [own[1]]
        assert "changed on main" in json.dumps(shown["behind_main"])
        assert shown["conflicts"] == []
        merged = ada.post("/v1/branches/work/merge", json={"strategy": "append"})
        assert merged.status_code == 200, merged.text
        others = {
            r[0] for r in deployment.old_rows("SELECT memory_id FROM mem_memories WHERE user_id <> 'ada'")
        }
        mine = ada.get("/v1/memories", params={"limit": "500", "branch": "main"}).json()["items"]
        assert not others & {item["memory_id"] for item in mine}
        assert "only on the branch" in [item["content"] for item in mine]
    finally:
        server.stop()
    stats = deployment.target_rows("ada", "SELECT COUNT(*) FROM mem_memories_stats")
    on_main = deployment.old_rows(
        "SELECT COUNT(*) FROM mem_memories_stats s JOIN mem_memories m ON m.memory_id = s.memory_id"
        " WHERE m.user_id = 'ada'"
    )
    assert stats[0][0] == on_main[0][0] + 1  # and that of the memory which only the branch has


# Statistics have no user, links of two tables are one table here, and those of the rules are found anew.
COUNTED_OTHERWISE = ("mem_memories_stats", "mem_entity_links", "mem_memory_entity_links", "mem_entities")


def test_the_plan_is_what_is_done(deployment: Deployment) -> None:
    # W-42, W-50, W-52
    planned, done = deployment.folder / "plan.json", deployment.folder / "copy.json"
    deployment.write("CREATE TABLE strange (a INT)", "ALTER TABLE mem_memories ADD COLUMN odd INT")
    said = deployment.migrate("plan", "--report-out", str(planned))
    assert "not known here: table strange" in said
    assert "not known here: column mem_memories.odd" in said
    assert deployment.control("SELECT COUNT(*) FROM mem_user_registry") == [(0,)]
    deployment.migrate("cutover", "--yes", "--quiet-seconds", "0", "--report-out", str(done))
    before, after = (json.loads(path.read_text()) for path in (planned, done))
    assert (before["dry_run"], after["dry_run"]) == (True, False)
    assert (
        [u["user_id"] for u in before["users"]]
        == [u["user_id"] for u in after["users"]]
        == after["selected_users"]
    )
    for old, new in zip(before["users"], after["users"], strict=True):
        assert old["target_db"] == new["target_db"]
        for kind in ("tables", "branch_tables"):
            assert {t["status"] for t in old[kind]} <= {"planned", "skipped"}
            assert {t["status"] for t in new[kind]} <= {"copied", "skipped"}
            assert [t["table_name"] for t in old[kind]] == [t["table_name"] for t in new[kind]]
        counts = {t["table_name"]: t["source_rows"] for t in old["tables"]}
        for table in new["tables"]:
            if table["target_rows"] is not None and table["table_name"] not in COUNTED_OTHERWISE:
                assert table["target_rows"] == table["source_rows"] == counts[table["table_name"]]
        assert new["checksums"]["mem_memories"]["source"] == new["checksums"]["mem_memories"]["target"]
    assert after["timings"].keys() >= {"plan", "digests", "copy", "verify", "cutover"}
    assert after["finished_at"] > after["started_at"]
    assert "hunter2" not in done.read_text()


@pytest.mark.parametrize("before", [SEVERAL_PROCESSES, SEVERAL_THREADS], ids=["processes", "threads"])
def test_failing_users_do_not_keep_the_others_waiting(deployment: Deployment, before: str) -> None:
    # W-19, W-50, W-51: with several users at work at once everything is said of whom it is true
    failing = ["Ada", "100%", "用户"]
    for user_id in failing:
        deployment.write(f"UPDATE mem_edit_log SET operation = '' WHERE user_id = '{user_id}'")
    counts = dict(deployment.old_rows("SELECT user_id, COUNT(*) FROM mem_memories GROUP BY user_id"))
    report = deployment.folder / "report.json"
    options = ("--report-out", str(report), "--concurrency", "6")
    said = deployment.migrate("copy", *options, code=4, before=before)
    found = json.loads(report.read_text())
    assert sorted(found["failed_users"]) == sorted(failing)
    assert sorted(error.split(": ")[0] for error in found["errors"]) == sorted(map(repr, failing))
    assert f"copied {USERS - len(failing)} users" in said
    assert all(repr(user_id) in deployment.migrate("status") for user_id in failing)
    deployment.write("UPDATE mem_edit_log SET operation = 'inject' WHERE operation = ''")
    deployment.migrate("cutover", "--yes", "--quiet-seconds", "0", *options, before=before)
    for user in json.loads(report.read_text())["users"]:
        main = next(table for table in user["tables"] if table["table_name"] == "mem_memories")
        assert main["target_rows"] == main["source_rows"] == counts[user["user_id"]], user["user_id"]


def test_what_was_damaged_here_is_made_anew_from_the_old_database(deployment: Deployment) -> None:
    # W-53: the old database is the backup; going back and over again restores what it held
    deployment.cutover()
    wanted = deployment.target_rows("Ada", "SELECT memory_id, content FROM mem_memories")
    writer = deployment.target("Ada")
    writer.execute("DELETE FROM mem_memories WHERE is_active = 1")
    writer.execute("UPDATE mem_memories SET content = 'damaged'")
    writer.commit()
    writer.close()
    deployment.migrate("rollback", "--user", "Ada")
    options = ("--user", "Ada", "--yes", "--quiet-seconds", "0")
    assert "was written to here" in deployment.migrate("cutover", *options, code=4)
    deployment.migrate("cutover", *options, "--overwrite")
    assert Counter(deployment.target_rows("Ada", "SELECT memory_id, content FROM mem_memories")) == Counter(
        wanted
    )


CORRUPTIONS = {
    "mem_memories": [
        "UPDATE mem_memories SET content = 'x' WHERE memory_id = '{0}'",
        "DELETE FROM mem_memories WHERE memory_id = '{0}'",
        "UPDATE mem_memories SET user_id = 'ben' WHERE memory_id = '{0}'",
        "UPDATE mem_memories SET created_at = '2024-01-01 08:00:00.123457' WHERE memory_id = '{0}'",
        "UPDATE mem_embeddings SET vector = (SELECT v FROM (SELECT vector AS v FROM mem_embeddings"
        " ORDER BY id DESC LIMIT 1) AS o) WHERE id = (SELECT embedding_id FROM mem_memories WHERE memory_id = '{1}')",
    ],
    "mem_edit_log": ["DELETE FROM mem_edit_log WHERE memory_id = '{0}'"],
}


def test_damage_of_the_copy_is_found_even_after_it_was_verified(deployment: Deployment) -> None:
    # W-43, W-21: nobody is served from a copy that is not what was verified
    user_ids = iter(("Ada", "ada ", "100%", "用户", "café", "o'brien"))
    deployment.migrate("copy")
    deployment.migrate("verify")
    damaged = []
    for table, statements in CORRUPTIONS.items():
        for statement in statements:
            user_id = next(user_ids)
            damaged.append((user_id, table))
            writer = deployment.target(user_id)
            ids = [
                plain(row)[0]
                for row in writer.execute("SELECT memory_id FROM mem_memories ORDER BY memory_id LIMIT 2")
            ]
            writer.execute(statement.format(*ids))
            writer.commit()
            writer.close()
    said = deployment.migrate("cutover", "--yes", "--quiet-seconds", "0", code=5)
    for user_id, table in damaged:
        assert f"user {user_id!r}: {table}" in said
    assert deployment.control("SELECT COUNT(*) FROM mem_user_registry WHERE status = 'active'") == [(0,)]


def test_nothing_is_missing_that_was_written_during_the_copy(deployment: Deployment) -> None:
    # W-47
    done = threading.Event()

    def write() -> None:
        rng, number = Random(3), 1_000
        while not done.is_set():
            number += 1
            writer = Writer(deployment.old)
            writer.insert("mem_memories", [memory_row(rng, uuid.uuid4().hex, "Ada", number, 64)])
            writer.execute(
                f"UPDATE mem_memories SET content = 'now {number}' WHERE user_id = 'ada ' AND is_active = 1"
            )
            writer.execute(
                "DELETE FROM mem_memories WHERE memory_id = (SELECT i FROM (SELECT MAX(memory_id) AS i"
                " FROM mem_memories WHERE user_id = '100%') AS o)"
            )
            writer.commit()
            writer.close()
            time.sleep(0.05)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        deployment.migrate("copy")
        deployment.migrate("copy")
    finally:
        done.set()
        thread.join()
    deployment.cutover()
    for user_id in ("Ada", "ada ", "100%", "ada"):
        wanted = deployment.old_rows(
            f"SELECT memory_id, content FROM mem_memories WHERE user_id = '{user_id}'"
        )
        assert Counter(
            map(plain, deployment.target_rows(user_id, "SELECT memory_id, content FROM mem_memories"))
        ) == Counter(map(plain, wanted))


def test_after_the_cutover_nothing_is_done_twice(deployment: Deployment) -> None:
    # W-20, W-45, W-46, W-57: stray users come alone, what is there is left alone, and five at once are one
    server = deployment.serve()
    try:
        assert (
            server.user("ben").post("/v1/memories", json={"content": "ben was here first"}).status_code == 201
        )
        assert "user 'ben'" not in deployment.migrate("plan")
        deployment.cutover()
        ada = server.client(raw_key("ada"))
        assert ada.post("/v1/memories", json={"content": "written after the cutover"}).status_code == 201
        writer = Writer(deployment.old)
        writer.insert(
            "mem_memories",
            [memory_row(Random(1), uuid.uuid4().hex, user_id, 1, 64) for user_id in ("stray", "ben")],
        )
        writer.commit()
        writer.close()
        assert "a database here already" in deployment.migrate(
            "cutover", "--yes", "--quiet-seconds", "0", code=3
        )
        refused = deployment.migrate("copy", "--user", "ben", code=3)
        assert "user 'ben' has a database here already" in refused
        arguments = ["migrate_legacy", "cutover", "--legacy-url", deployment.old]
        arguments += ["--yes", "--quiet-seconds", "1", "--user", "stray"]
        children = [deployment.start(*arguments) for _ in range(5)]
        codes = Counter(child.wait().returncode for child in children)
        assert codes.pop(0) == 1
        assert set(codes) <= {3, 6}  # too late, or not alone
        assert "written after the cutover" in contents(ada)
        assert contents(server.user("ben")) == Counter(["ben was here first"])
        assert deployment.target_rows("stray", "SELECT COUNT(*) FROM mem_memories")[0][0] == 1
    finally:
        server.stop()


def test_old_and_odd_shapes(deployment: Deployment) -> None:
    # W-07, W-52: tables and columns that an old version did not have yet, vectors as bytes
    writer = Writer(deployment.old)
    for table in (
        "mem_entities",
        "mem_memory_entity_links",
        "mem_edit_log",
        "mem_memories_stats",
        "mem_tool_usage",
    ):
        writer.execute(f"DROP TABLE {table}")
    writer.execute("DROP TABLE mem_entity_links")
    writer.execute("DELETE FROM mem_branches")
    if not writer.is_sqlite:
        writer.execute("ALTER TABLE mem_memories MODIFY extra_metadata TEXT")
    for column in ("author_id", "subject_id", "trust_tier", "updated_at", "source_event_ids"):
        writer.execute(f"ALTER TABLE mem_memories DROP COLUMN {column}")
    vector = np.arange(1, 65, dtype="<f4").tobytes()
    writer.execute("UPDATE mem_memories SET embedding = %s WHERE user_id = 'Ada'", [vector])
    writer.execute(
        "UPDATE mem_memories SET embedding = NULL, extra_metadata = 'not json' WHERE user_id = 'ada '"
    )
    writer.execute("DELETE FROM mem_memories WHERE user_id = '100%'")
    writer.commit()
    writer.close()
    deployment.cutover()
    read = deployment.target_rows(
        "Ada", "SELECT e.vector FROM mem_memories m JOIN mem_embeddings e ON e.id = m.embedding_id"
    )
    unit = np.arange(1, 65) / np.linalg.norm(np.arange(1, 65))
    assert len(read) == 30
    assert all(np.allclose(np.frombuffer(raw, dtype="<f2"), unit, atol=1e-3) for (raw,) in read)
    assert deployment.target_rows("100%", "SELECT COUNT(*) FROM mem_memories")[0][0] == 0


def test_each_gap_is_named_before_anything_is_written(deployment: Deployment) -> None:
    # W-48, W-55
    def refused(*, url: str | None = None, **environment: str) -> str:
        done = deployment.run("migrate_legacy", "plan", "--legacy-url", url or deployment.old, **environment)
        assert done.returncode == 3, done.stdout + done.stderr
        assert "s3cret" not in done.stdout + done.stderr
        return done.stderr

    own = deployment.database_url or f"sqlite:///{deployment.folder / 'data' / 'control.sqlite3'}"
    assert "own control database" in refused(url=own)
    assert "does not exist" in refused(url="sqlite:////nowhere/old.db")
    assert "names no database" in refused(url="mysql://somebody:s3cret@127.0.0.1:1/")
    assert "cannot be opened" in refused(url="mysql://somebody:s3cret@127.0.0.1:1/old")
    if deployment.server is not None:
        name = deployment.database_url.split("?")[0].rsplit("/", 1)[1]  # type: ignore[union-attr]
        deployment.server.execute("CREATE USER IF NOT EXISTS 'narrow'@'%' IDENTIFIED BY 's3cret'")
        deployment.server.execute(f"GRANT ALL PRIVILEGES ON `{name}`.* TO 'narrow'@'%'")
        rest = deployment.database_url.split("@", 1)[1]  # type: ignore[union-attr]
        assert "may not create databases" in refused(MEMORIA_DATABASE_URL=f"mysql://narrow:s3cret@{rest}")
    deployment.write("ALTER TABLE br_000000_work RENAME TO br_elsewhere")
    assert "table br_000000_work of branch 'work' of 'ada' is missing" in refused()
    deployment.write("ALTER TABLE mem_memories DROP COLUMN created_at")
    assert "lacks created_at" in refused()
    deployment.write("ALTER TABLE mem_memories RENAME TO mem_other")
    assert "has no table mem_memories" in refused()
    assert deployment.control("SELECT COUNT(*) FROM mem_user_registry") == [(0,)]
    assert deployment.control("SELECT COUNT(*) FROM mem_migrated_users") == [(0,)]


def test_a_resumed_copy_writes_only_what_is_lacking(deployment: Deployment) -> None:
    # W-44
    writer = Writer(deployment.old)
    rng = Random(5)
    writer.insert("mem_memories", [memory_row(rng, f"{n:032x}", "big", n, 64) for n in range(6_000)])
    writer.commit()
    writer.close()
    process = deployment.start("migrate_legacy", "copy", "--user", "big", "--legacy-url", deployment.old)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            there = deployment.target_rows("big", "SELECT COUNT(*) FROM mem_memories")[0][0]
        except Exception:  # not made yet
            there = 0
        if there:
            break
        time.sleep(0.01)
    process.signal(signal.SIGKILL)
    process.wait()
    there = deployment.target_rows("big", "SELECT COUNT(*) FROM mem_memories")[0][0]
    assert 0 < there < 6_000
    report = deployment.folder / "report.json"
    deployment.migrate("copy", "--user", "big", "--report-out", str(report))
    (user,) = json.loads(report.read_text())["users"]
    assert user["written"] == 6_000 - there
    deployment.migrate("verify", "--user", "big")


@pytest.mark.parametrize("before", ["", SEVERAL_THREADS], ids=["one", "threads"])
def test_lost_connections_cost_a_batch(deployment: Deployment, mariadb: MariaDB, before: str) -> None:
    # W-60: of the old database, and of the control database, of whoever is at work
    if deployment.old.startswith("sqlite") and deployment.server is None:
        pytest.skip("no server between these two")
    urls = [url for url in (deployment.old, deployment.database_url) if url and url.startswith("mysql")]
    names = ", ".join(f"'{url.split('?')[0].rsplit('/', 1)[1]}'" for url in urls)  # no other test's
    done = threading.Event()
    cut = [0]

    def cut_connections() -> None:
        while not done.is_set() and deployment.control("SELECT COUNT(*) FROM mem_migrated_users") == [(0,)]:
            done.wait(0.1)
        for _ in range(2):
            for connection in mariadb.execute(
                f"SELECT id FROM information_schema.processlist WHERE db IN ({names})"
            ).split():
                with suppress(subprocess.CalledProcessError):  # it has ended meanwhile
                    mariadb.execute(f"KILL {connection}")
                    cut[0] += 1
            done.wait(2)

    thread = threading.Thread(target=cut_connections)
    thread.start()
    try:
        deployment.migrate("copy", before=before)
    finally:
        done.set()
        thread.join()
    assert cut[0] > 0
    deployment.migrate("verify")


def test_an_unchanged_user_is_not_read_again(deployment: Deployment) -> None:
    deployment.migrate("copy")
    deployment.migrate("verify")
    assert "copied 14 users: 0 rows read, 0 memories written; 14 had not changed" in deployment.migrate(
        "copy"
    )
    deployment.write(
        "UPDATE mem_memories_stats SET access_count = access_count + 1 WHERE memory_id = (SELECT i FROM"
        " (SELECT MIN(memory_id) AS i FROM mem_memories WHERE user_id = 'Ada') AS o)"
    )
    said = deployment.cutover()
    assert "13 had not changed" in said
    assert "(13 as verified before)" in said
