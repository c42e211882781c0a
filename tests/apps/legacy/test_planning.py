"""What the plan asks of both sides."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.legacy.made import Writer, make_legacy
from apps.legacy.services.planning import Options, plan_make
from apps.legacy.source import grants_reading, open_source
from apps.tenancy.servers.base import UserServer


def queries(folder, users):
    """How many statements a plan for so many users takes, in the old database and in the control plane."""
    url = f"sqlite:///{folder / f'{users}.db'}"
    make_legacy(url=url, users=users, memories=2, seed=1, dim=8)
    writer = Writer(url)
    writer.execute("DELETE FROM mem_branches")  # each of them is a table more
    for number in range(0, users, 3):
        writer.execute(f"DROP TABLE br_{number:06}_work")
    writer.commit()
    writer.close()
    source, asked = open_source(url), []
    source._connection.set_trace_callback(asked.append)
    with CaptureQueriesContext(connection) as own:
        plan = plan_make(source=source)
    source.close()
    assert len(plan.users) == users
    return len(asked), len(own)


def test_many_users_take_as_many_queries_as_few(db, tmp_path):
    # W-54
    queries(tmp_path, 3)  # the first of a process asks a few more
    assert queries(tmp_path, 12) == queries(tmp_path, 60)


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_what_has_no_place_here_is_listed_and_refused_under_strict(db, tmp_path, mariadb, kind):
    # W-52
    url = f"sqlite:///{tmp_path / 'old.db'}"
    if kind == "mariadb":
        url = mariadb.url(f"old_{uuid.uuid4().hex[:10]}")
    make_legacy(url=url, users=4, memories=2, seed=1, dim=8)
    writer = Writer(url)
    for statement in (
        "ALTER TABLE br_000000_work ADD COLUMN mood TEXT",
        "CREATE TABLE br_orphan (memory_id VARCHAR(64))",
        "CREATE TABLE br_000000_gone (memory_id VARCHAR(64))",
        "UPDATE mem_user_state SET active_branch = 'dream' WHERE user_id = 'Ada'",
    ):
        writer.execute(statement)
    writer.commit()
    writer.close()
    source = open_source(url)
    plan = plan_make(source=source, options=Options(strict=True))
    lenient = plan_make(source=source)
    source.close()
    left = {
        "column br_000000_work.mood",
        "table br_orphan, which no branch names",
    }
    assert left <= set(plan.unknown)
    assert all(each in "\n".join(plan.gaps) for each in left)
    assert lenient.gaps == []
    assert plan.skipped["br_orphan"] == "no branch names it"
    assert plan.skipped["br_000000_gone"] == "its branch is deleted"
    dangling = "user 'Ada' has checked out branch 'dream', which is not in use: they come back to main"
    assert [each for each in plan.warnings if "checked out" in each] == [dangling]
    assert "1 rows of mem_groups are not moved: this migration brings no groups" in plan.warnings


def test_no_room_and_no_right_are_gaps(db, tmp_path, monkeypatch):
    # W-48
    url = f"sqlite:///{tmp_path / 'old.db'}"
    make_legacy(url=url, users=1, memories=2, seed=1, dim=8)
    for cls in UserServer.__subclasses__():
        monkeypatch.setattr(cls, "free_bytes", lambda self: 10)
        monkeypatch.setattr(cls, "may_create", lambda self: False)
    source = open_source(url)
    gaps = "\n".join(plan_make(source=source).gaps)
    source.close()
    assert "GiB free" in gaps
    assert "may not create databases" in gaps


def test_it_is_told_which_grants_let_make_databases():
    from apps.tenancy.servers.mysql import _grants_creation

    enough = [
        "GRANT ALL PRIVILEGES ON *.* TO `m`@`%` WITH GRANT OPTION",
        "GRANT SELECT, CREATE, DROP ON *.* TO `m`@`%`",
        r"GRANT ALL PRIVILEGES ON `mem\\_u\\_%`.* TO `m`@`%`",
        r"GRANT SELECT, CREATE ON `mem%`.* TO `m`@`%`",
    ]
    lacking = [
        "GRANT USAGE ON *.* TO `m`@`%`",
        "GRANT SELECT, CREATE VIEW, CREATE ROUTINE ON *.* TO `m`@`%`",
        "GRANT ALL PRIVILEGES ON `memoria`.* TO `m`@`%`",
    ]
    assert [_grants_creation(grant) for grant in (*enough, *lacking)] == [True] * 4 + [False] * 3


def test_grants_that_let_read_everything_are_told():
    enough = [
        "GRANT ALL PRIVILEGES ON *.* TO `m`@`%`",
        "GRANT SELECT ON `old`.* TO `m`@`%`",
        r"GRANT SELECT, LOCK TABLES ON `o\_%`.* TO `m`@`%`",
        "GRANT SELECT ON `ol_`.* TO `m`@`%`",
        "GRANT `reader`@`%` TO `m`@`%`",
    ]
    lacking = [
        "GRANT USAGE ON *.* TO `m`@`%`",
        "GRANT SELECT ON `old`.`mem_memories` TO `m`@`%`",
        "GRANT SELECT ON `other`.* TO `m`@`%`",
        "GRANT INSERT ON `old`.* TO `m`@`%`",
        r"GRANT SELECT ON `ol\_`.* TO `m`@`%`",
    ]
    assert [grants_reading(grant, "o_ld" if r"o\_" in grant else "old") for grant in (*enough, *lacking)] == [
        True
    ] * 5 + [False] * 5
