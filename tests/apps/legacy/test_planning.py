"""What the plan asks of both sides."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.legacy.made import Writer, make_legacy
from apps.legacy.services.planning import plan_make
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
    assert queries(tmp_path, 12) == queries(tmp_path, 60)


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
