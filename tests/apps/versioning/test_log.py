"""The history of a user as a graph in the terminal: `manage.py memory_log`."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.memories.filters import ANY
from apps.memories.selectors import memory_list
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN, View
from apps.tenancy.scope import user_database
from apps.versioning.selectors import branch_view
from apps.versioning.services.branches import branch_create, branch_delete, branch_refresh
from apps.versioning.services.merge import branch_merge
from apps.versioning.services.pick import Keys, Policy, branch_pick
from apps.versioning.services.purge import memories_purge, purge_of
from apps.versioning.services.rollback import rollback
from apps.versioning.services.snapshots import snapshot_create
from memoria.drafts import draft

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    moments = (START + timedelta(minutes=n) for n in range(100))
    return lambda: next(moments)


def store(text: str, now: datetime, view: View = MAIN) -> None:
    memories_write(
        drafts=[draft(content=text, now=now)],
        view=view,
        actor_id="ada",
        operation="store",
        reason="store_memory",
        now=now,
        embedder=None,
    )


def log(*options: str) -> list[str]:
    out = io.StringIO()
    call_command("memory_log", "--user", "ada", *options, stdout=out)
    text = re.sub(r"(pre_[a-z]+)_[0-9a-f]{8}", r"\1", out.getvalue())
    return [line.rstrip() for line in text.splitlines()]


def test_the_log_is_a_graph(ada, clock):
    with user_database(ada):
        store("tea", clock())
        snapshot_create(name="then", now=clock())
        store("bees", clock())
        branch_create(name="exp", actor_id="ada", now=clock())
        branch_create(name="old", actor_id="ada", now=clock())
        store("chess", clock(), branch_view(name="exp"))
        store("goats", clock())
        store("old", clock(), branch_view(name="old"))
        branch_delete(name="old", now=clock())
        branch_merge(name="exp", strategy="append", actor_id="ada", now=clock())
        memories_purge(wanted=purge_of(topic="bees"), view=MAIN, actor_id="ada", now=clock())
        rollback(snapshot="then", actor_id="ben", now=clock())
        store("more chess", clock(), branch_view(name="exp"))
        branch_refresh(name="exp", actor_id="ada", now=clock())
        store("no chess", clock(), branch_view(name="exp"))
    assert log() == [
        "│ ●     11  2026-01-01 12:14:00  store on 'exp', 1 memory  by ada",
        "├─╯   'exp'",
        "●     10  2026-01-01 12:13:00  refresh  by ada",
        "│ ●      9  2026-01-01 12:12:00  store on 'exp', 1 memory  by ada",
        "● │      8  2026-01-01 12:11:00  rollback to 'then', 3 memories  by ben",
        "● │      7  2026-01-01 12:10:00  purge, 1 memory  by ada  [restore point pre_rollback]",
        "●─┤      6  2026-01-01 12:09:00  merge of 'exp', 1 memory  by ada  [restore point pre_purge]",
        "│ │ ●      5  2026-01-01 12:07:00  store on 'old', 1 memory  by ada  [restore point pre_merge]",
        "● │ │      4  2026-01-01 12:06:00  store, 1 memory  by ada",
        "│ ● │      3  2026-01-01 12:05:00  store on 'exp', 1 memory  by ada",
        "├─╯ │   'exp'",
        "├───╯   'old' (deleted)",
        "●      2  2026-01-01 12:02:00  store, 1 memory  by ada",
        "●      1  2026-01-01 12:00:00  store, 1 memory  by ada  [snapshot then]",
    ]
    assert log("--limit", "2") == log()[:3]


def test_branches_cross_in_the_graph(ada, clock):
    """A pick from one branch into another, past a third."""
    with user_database(ada):
        store("tea", clock())
        for name in ("one", "two", "three"):
            branch_create(name=name, actor_id="ada", now=clock())
        for name in ("one", "two", "three"):
            store(name, clock(), branch_view(name=name))
        keys = Keys([memory_list(view=branch_view(name="one"), filters=ANY, limit=1).items[0].memory_id])
        branch_pick(
            source="one",
            target="three",
            selector=keys,
            policy=Policy.FAIL,
            embedder=None,
            actor_id="ada",
            now=clock(),
        )
        branch_merge(name="two", strategy="append", actor_id="ada", now=clock())
    shown = [line.split("  by")[0] for line in log()]
    assert shown == [
        "●─╮      6  2026-01-01 12:08:00  merge of 'two', 1 memory",
        "│ │ ●─╮      5  2026-01-01 12:07:00  pick of 'one' on 'three', 1 memory",
        "│ │ ● │      4  2026-01-01 12:06:00  store on 'three', 1 memory",
        "│ ● │ │      3  2026-01-01 12:05:00  store on 'two', 1 memory",
        "│ │ │ ●      2  2026-01-01 12:04:00  store on 'one', 1 memory",
        "├─┼─┼─╯   'one'",
        "├─╯ │     'two'",
        "├───╯     'three'",
        "●      1  2026-01-01 12:00:00  store, 1 memory",
    ]


def test_there_is_nothing_to_draw_yet(ada):
    assert log() == ["No commits yet."]


def test_an_unknown_user_is_said(ada):
    with pytest.raises(CommandError, match="no such user"):
        call_command("memory_log", "--user", "nobody")
