"""Moving from an old shared database, in processes of its own, from both engines to the suite's engine."""

import json
import random
import time
import uuid
from collections import Counter

from apps.legacy.made import Writer, memory_row, raw_key, user_names
from tests.apps.legacy.deployment import USERS, Deployment, contents


def test_everybody_has_their_memories_branches_and_keys(deployment: Deployment) -> None:
    # W-03, W-07, W-09, W-40, W-41, W-58
    server = deployment.serve()
    try:
        deployment.migrate("copy")
        early = server.client(raw_key("ada")).get("/v1/memories")
        assert early.status_code == 401  # keys come with the cutover
        report = deployment.folder / "report.json"
        deployment.migrate(
            "cutover", "--yes", "--quiet-seconds", "0.1", "--report-out", str(report)
        )  # while the server runs
        assert json.loads(report.read_text())["errors"] == []
        old = deployment.old_rows("SELECT user_id, content, is_active FROM mem_memories")
        for user_id in user_names(USERS):
            http = server.client(raw_key(user_id))
            wanted = Counter(content for user, content, active in old if user == user_id and active)
            assert contents(http, branch="main") == wanted, user_id
        ada = server.client(raw_key("ada"))
        branch = deployment.old_rows("SELECT user_id, content, is_active FROM br_000000_work")
        mine = Counter(content for user, content, active in branch if user == "ada" and active)
        assert contents(ada, branch="work") == mine
        assert contents(ada) == mine  # it is the branch she had checked out
        ada = server.client(raw_key("Ada"))
        found = ada.post("/v1/memories/retrieve", json={"query": "dark roast coffee", "top_k": 3})
        assert found.status_code == 200, found.text
        assert "coffee" in found.text
        assert ada.post("/v1/snapshots", json={"name": "after"}).status_code == 201
        assert ada.post("/v1/memories", json={"content": "a new memory"}).status_code == 201
        assert ada.post("/v1/snapshots/after/rollback").status_code == 200
        assert "a new memory" not in contents(ada)
        assert ada.post("/v1/branches", json={"name": "later"}).status_code == 201
    finally:
        server.stop()


def test_a_repeated_copy_brings_what_changed_and_only_that(deployment: Deployment) -> None:
    deployment.migrate("copy")
    again = deployment.migrate("copy")
    assert "0 memories written" in again
    ids = [
        r[0]
        for r in deployment.old_rows("SELECT memory_id FROM mem_memories WHERE user_id = 'Ada' ORDER BY 1")
    ]
    deployment.write(
        f"UPDATE mem_memories SET content = 'changed' WHERE memory_id = '{ids[0]}'",
        f"DELETE FROM mem_memories WHERE memory_id = '{ids[1]}'",
    )
    assert "1 memories written" in deployment.migrate("copy")
    deployment.migrate("verify")


DAMAGE = {
    "Ada": ("UPDATE mem_memories SET content = 'x' WHERE memory_id = '{0}'", "mem_memories"),
    "ada ": ("DELETE FROM mem_memories WHERE memory_id = '{0}'", "mem_memories"),
    "100%": ("UPDATE mem_memories SET user_id = 'somebody' WHERE memory_id = '{0}'", "mem_memories"),
    "用户": (
        f"UPDATE mem_memories SET embedding = '[{'1,' * 63}1]' WHERE memory_id = '{{0}}'",
        "mem_memories",
    ),
    "user-00000": (
        "UPDATE mem_edit_log SET created_at = '2024-01-01 08:00:00.000001' WHERE memory_id = '{0}'",
        "mem_edit_log",
    ),
}


def test_every_difference_is_found_and_named(deployment: Deployment) -> None:
    # W-43: a changed text, a dropped row, a row that changed hands, a vector, a microsecond
    deployment.migrate("copy")
    for user_id, (damage, _) in DAMAGE.items():
        first = deployment.old_rows(f"SELECT MIN(memory_id) FROM mem_memories WHERE user_id = '{user_id}'")[
            0
        ][0]
        deployment.write(damage.format(first))
    selected = [option for user_id in DAMAGE for option in ("--user", user_id)]
    said = deployment.migrate("verify", *selected, code=5)
    for user_id, (_, table) in DAMAGE.items():
        assert f"user {user_id!r}: {table}" in said


def test_a_running_writer_is_noticed(deployment: Deployment) -> None:
    # W-47
    deployment.migrate("copy")
    process = deployment.start(
        "migrate_legacy", "cutover", "--legacy-url", deployment.old, "--yes", "--quiet-seconds", "3"
    )
    rng, number = random.Random(1), 0
    while not process.has_ended():
        writer = Writer(deployment.old)
        writer.insert(
            "mem_memories", [memory_row(rng, uuid.uuid4().hex, "Ada", 900 + (number := number + 1), 0)]
        )
        writer.commit()
        writer.close()
        time.sleep(0.1)
    ended = process.wait()
    assert ended.returncode == 3, ended
    assert "somebody is writing" in ended.stderr
    deployment.cutover()


def test_refusals_write_nothing(deployment: Deployment) -> None:
    # W-42, W-46, W-48, W-52, W-55, W-56, W-57
    assert "not in the old database" in deployment.migrate("copy", "--user", "adda", code=3)
    deployment.write("CREATE TABLE strange (a INT)")
    assert "table strange" in deployment.migrate("copy", "--strict", code=3)
    assert "report cannot be written" in deployment.migrate("plan", "--report-out", "/nowhere/r.json", code=3)
    assert "Nothing of this database" in deployment.migrate("status")
    if deployment.old.startswith("mysql") or deployment.server is None:
        refused = deployment.run("serve", MEMORIA_DATABASE_URL=deployment.old, MEMORIA_PORT="1")
        assert refused.returncode == 3, refused.stderr
        assert "migrate_legacy plan" in refused.stderr
    deployment.cutover()
    assert "in service here" in deployment.migrate("copy", code=3)


def test_one_user_moves_alone_and_comes_back(deployment: Deployment) -> None:
    # W-45
    options = ("--user", "x\\", "--yes", "--quiet-seconds", "0.1")
    deployment.migrate("cutover", *options)
    assert "Active     1" in deployment.migrate("status")
    assert "1 users are out of service" in deployment.migrate("rollback")
    deployment.migrate("cutover", *options)
