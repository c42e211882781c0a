"""What a migration must not do: take what is somebody's here, trust what it cannot see, miss what came late."""

import pytest

from apps.legacy.made import Writer, raw_key
from tests import engine
from tests.apps.legacy.deployment import MEMORIES, Deployment

# What the two sides run on makes no difference here: both on the suite's engine.
pytestmark = pytest.mark.parametrize(
    "deployment", ["mariadb" if engine.SERVER is not None else "sqlite"], indirect=True
)
# A write in the last moment before users are put into service.
LATE = """
from apps.legacy.made import Writer
from apps.legacy.management.commands import migrate_legacy
copied = migrate_legacy.control_rows_copy
def late(**arguments):
    writer = Writer({!r})
    writer.execute("UPDATE mem_memories SET content = 'late' WHERE user_id = 'Ada'")
    writer.commit()
    writer.close()
    return copied(**arguments)
migrate_legacy.control_rows_copy = late
"""


def statuses(deployment: Deployment) -> set[str]:
    return {str(status) for (status,) in deployment.control("SELECT status FROM mem_user_registry")}


def test_somebody_who_came_here_meanwhile_is_left_alone(deployment: Deployment) -> None:
    # W-21, W-46: a copy died when it had noted the user, who then began to use the new server
    deployment.migrate("copy", "--user", "Ada")
    writer = control(deployment)
    writer.execute("UPDATE mem_user_registry SET status = 'active'")
    writer.execute("UPDATE mem_migrated_users SET phase = 'copying', seq = 0")
    writer.commit()
    writer.close()
    server = deployment.serve()
    try:
        assert server.user("Ada").post("/v1/memories", json={"content": "mine"}).status_code == 201
        assert "came into service here" in deployment.migrate("plan", code=3)
        assert "came into service here" in deployment.migrate("copy", code=3)
        listed = server.user("Ada").get("/v1/memories", params={"limit": "500"})
        assert "mine" in listed.text
    finally:
        server.stop()


def control(deployment: Deployment) -> Writer:
    return Writer(deployment.database_url or f"sqlite:///{deployment.folder / 'data' / 'control.sqlite3'}")


def test_what_was_made_here_is_not_given_up_unasked(deployment: Deployment) -> None:
    # after a rollback: a snapshot and a signal are no memories, but somebody's all the same
    only = ("--user", "Ada", "--yes", "--quiet-seconds", "0")
    deployment.migrate("cutover", *only)
    server = deployment.serve()
    try:
        ada = server.client(raw_key("Ada"))
        assert ada.post("/v1/memories/retrieve", json={"query": "coffee"}).status_code == 200
        server.stop()
        deployment.migrate("rollback", "--user", "Ada")
        deployment.migrate("cutover", *only)  # reading is no writing
        server = deployment.serve()
        ada = server.client(raw_key("Ada"))
        assert ada.post("/v1/snapshots", json={"name": "mine"}).status_code == 201
        server.stop()
        deployment.migrate("rollback", "--user", "Ada")
        assert "--overwrite" in deployment.migrate("cutover", *only, code=4)
        assert (
            deployment.target_rows("Ada", "SELECT COUNT(*) FROM mem_snapshots WHERE name = 'mine'")[0][0] == 1
        )
        deployment.migrate("cutover", *only, "--overwrite")
        assert (
            deployment.target_rows("Ada", "SELECT COUNT(*) FROM mem_snapshots WHERE name = 'mine'")[0][0] == 0
        )
    finally:
        server.stop()


def test_a_key_that_was_revoked_here_stays_revoked(deployment: Deployment) -> None:
    only = ("--user", "Ada", "--yes", "--quiet-seconds", "0")
    deployment.migrate("cutover", *only)
    writer = control(deployment)
    writer.execute("UPDATE mem_api_keys SET is_active = 0")
    writer.commit()
    writer.close()
    deployment.migrate("rollback", "--user", "Ada")
    deployment.migrate("cutover", *only)
    assert set(deployment.control("SELECT is_active FROM mem_api_keys")) == {(0,)}


def test_links_that_are_gone_go(deployment: Deployment) -> None:
    deployment.migrate("copy")
    told = "SELECT COUNT(*) FROM mem_memory_entity_links WHERE source = 'manual'"
    assert deployment.target_rows("Ada", told)[0][0] > 0
    for table in ("mem_memory_entity_links", "mem_entity_links"):
        deployment.write(f"DELETE FROM {table} WHERE user_id = 'Ada'")
    deployment.migrate("copy")
    assert deployment.target_rows("Ada", told)[0][0] == 0
    deployment.migrate("verify")


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("DELETE FROM mem_memory_entity_links WHERE source = 'manual'", "mem_memory_entity_links"),
        ("UPDATE mem_snapshots SET name = 'other'", "mem_snapshots"),
        ("UPDATE mem_edit_log SET user_id = 'somebody'", "mem_edit_log"),
        ("UPDATE mem_memories SET content_hash = 'x'", "mem_memories"),
        ("INSERT INTO mem_user_state VALUES ('somebody', 'main', '2024-01-01 00:00:00')", "mem_user_state"),
    ],
)
def test_damage_beside_the_memories_is_found(deployment: Deployment, damage: str, table: str) -> None:
    # W-43
    only = ("--user", "Ada")
    deployment.migrate("copy", *only)
    writer = deployment.target("Ada")
    writer.execute(damage)
    writer.commit()
    writer.close()
    assert f"user 'Ada': {table}" in deployment.migrate("verify", *only, code=5)


def test_a_write_in_the_last_moment_is_noticed(deployment: Deployment) -> None:
    # W-47
    options = ("--yes", "--quiet-seconds", "0")
    said = deployment.migrate("cutover", *options, code=3, before=LATE.format(deployment.old))
    assert "old rows of user 'Ada' changed during the cutover" in said
    assert statuses(deployment) == {"importing"}
    deployment.cutover()


def test_users_move_in_groups(deployment: Deployment) -> None:
    only = ("--user", "Ada", "--yes", "--quiet-seconds", "0")
    deployment.migrate("cutover", *only)
    assert "in service here" in deployment.migrate("copy", *only[:2], code=3)
    assert "1 users have been migrated" in deployment.migrate("plan")
    deployment.cutover()
    assert statuses(deployment) == {"active"}
    assert "not in service by this migration" in deployment.migrate("rollback", "--user", "adda", code=3)


def test_tables_of_other_collations_are_joined(deployment: Deployment) -> None:
    if not deployment.old.startswith("mysql"):
        pytest.skip("SQLite compares bytes")
    general = "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    deployment.write(
        f"ALTER TABLE mem_memories_stats {general}",
        "ALTER TABLE mem_edit_log MODIFY user_id VARCHAR(64) CHARACTER SET utf16 NOT NULL",
    )
    deployment.cutover()
    assert statuses(deployment) == {"active"}
    assert (
        deployment.target_rows("Ada", "SELECT COUNT(*) FROM mem_edit_log")[0][0] == MEMORIES
    )  # not Ada's and ada's


def test_nothing_is_taken_for_missing_that_may_not_be_read(deployment: Deployment) -> None:
    # W-48
    if not deployment.old.startswith("mysql"):
        pytest.skip("SQLite has no accounts")
    name = deployment.old.split("?")[0].rsplit("/", 1)[1]
    account = f"'{name}'@localhost"
    statements = [f"CREATE USER {account} IDENTIFIED BY 's3cret'"]
    statements += [
        f"GRANT SELECT ON {name}.{table} TO {account}" for table in ("mem_memories", "mem_branches")
    ]
    writer = Writer(deployment.old)
    for statement in statements:
        writer.execute(statement)
    writer.close()
    start, rest = deployment.old.split("://", 1)
    narrow = f"{start}://{name}:s3cret@{rest.rsplit('@', 1)[1]}"
    done = deployment.run("migrate_legacy", "plan", "--legacy-url", narrow)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "may read single tables only" in done.stderr


def test_our_tables_are_not_made_in_an_old_database(deployment: Deployment) -> None:
    before = len(deployment.old_rows("SELECT * FROM mem_memories"))
    done = deployment.run("migrate", "-v0", MEMORIA_DATABASE_URL=deployment.old)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "migrate_legacy plan" in done.stderr
    assert len(deployment.old_rows("SELECT * FROM mem_memories")) == before


def test_a_folder_is_no_report(deployment: Deployment) -> None:
    refused = deployment.migrate("copy", "--report-out", str(deployment.folder), code=3)
    assert "report cannot be written" in refused
