"""How much memory a user takes does not depend on how many rows they have, nor on how long those are."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.legacy import scratch
from apps.legacy.made import START, Writer
from apps.legacy.models import Migration
from apps.legacy.old_schema import USER_TABLES
from apps.legacy.services import new_side, old_side, verifying
from apps.legacy.services.copying import Vectors, run, user_copy
from apps.legacy.services.ledger import Lease
from apps.legacy.services.verifying import user_verify
from apps.legacy.source import open_source, sqlite, values
from memoria.decisions import LONGEST
from tests.conftest import MakeUser

FEW, MANY, SOME = 500, 1_500, 40
LONG = 10 * LONGEST
BYTES_PER_ROW = 800
"""Of each further one. With so few rows 300 were noise; holding the log entries without ids took 2,000."""
WORDS = "coffee tea garden report figure letter window summer quarter harbour".split()
VECTORS = Vectors("m", 4)
LIVE, GONE = "br_ada_work", "br_ada_gone"


class Old:
    """An old database with one user's rows in every table, with a branch."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self.writer = Writer(self.url)
        for table in (*USER_TABLES, LIVE):
            self.writer.create(table)

    def fill(self, user_id: str, count: int, length: int = 0) -> None:
        rows: dict[str, list[list[Any]]] = {}

        def add(table: str, *values: Any) -> None:
            rows.setdefault(table, []).append(list(values))

        add("mem_branches", user_id, user_id, "work", LIVE, "active", START)
        for n in range(count):
            memory_id, text = f"{user_id}-{n:08}", _text(n, length)
            memory = [memory_id, user_id, None, None, "semantic", text, "[1, 2, 3, 4]", None]
            memory += ["[]", None, 1, None, "T1", 0.5, START, START, None]
            add("mem_memories", *memory)
            if n % 4:  # the others were removed on the branch
                add(LIVE, *memory[:5], f"{text} on the branch", *memory[6:])
            add("mem_memories_stats", memory_id, 1, START, 0, 0, 0, 0, None)
            for edit_id in (f"e{memory_id}", ""):  # one as usual, one without an id
                payload = text if length else f'{{"n": {n}}}'
                add(
                    "mem_edit_log",
                    edit_id,
                    user_id,
                    memory_id,
                    "inject",
                    payload,
                    *[None] * 2,
                    START,
                    user_id,
                )
            add("mem_retrieval_feedback", memory_id, user_id, memory_id, "useful", None, START)
            add("mem_entities", memory_id[-20:], user_id, f"thing {n}", None, "thing", None, START)
            add("mem_memory_entity_links", memory_id, memory_id[-20:], user_id, "manual", 1.0, START)
            add("mem_entity_links", memory_id, user_id, memory_id, f"other {n}", "thing", "manual", START)
        for table, made in rows.items():
            self.writer.insert(table, made)
        self.writer.commit()

    def change(self, user_id: str) -> None:
        self.writer.execute(
            "UPDATE mem_memories SET content = content || ' changed' WHERE user_id = %s AND memory_id LIKE '%%7'",
            [user_id],
        )
        self.writer.commit()


def _text(n: int, length: int) -> str:
    """Few texts of few words: what is kept of texts and words, up to a fixed number of each, is no growth."""
    text = " ".join(WORDS[int(digit)] for digit in f"{n % SOME:06}")
    return text if not length else (f"{text}. " * (length // len(text)))[:length]


@pytest.fixture
def peaks(
    make_user: MakeUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., list[int]]]:
    """Bytes that a first copy, a verification, a copy and a verification of what has changed took at most."""
    for module, name in (
        (values, "BATCH"),
        (sqlite, "FETCHED_AT_ONCE"),
        (run, "KEYS_AT_ONCE"),
        (scratch, "_PAGE"),
        (new_side, "PAGE"),
        (verifying, "LONG_PAGE"),
        (verifying, "CHECKED_AT_ONCE"),
        (old_side, "_AT_ONCE"),
    ):
        monkeypatch.setattr(module, name, 50)
    old = Old(tmp_path / "old.db")
    migration = Migration.objects.create(source=tmp_path.name, started_at=timezone.now())
    lease = Lease(migration.pk, migration.lease_number)

    def measured(user_id: str, count: int, length: int = 0) -> list[int]:
        old.fill(user_id, count, length)
        found = []
        for is_changed in (False, True):
            if is_changed:
                old.change(user_id)
            source = open_source(old.url)
            tables = source.tables()
            tracemalloc.start()
            user_copy(source=source, tables=tables, lease=lease, user_id=user_id, vectors=VECTORS)
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
            verified = user_verify(source=source, tables=tables, user_id=user_id, vectors=VECTORS)
            found.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            source.close()
            assert verified.mismatches == []
        return found

    yield measured
    old.writer.close()


def test_many_rows_take_no_more_than_few(peaks: Callable[..., list[int]]) -> None:
    peaks("warm", SOME)
    few, many = peaks("ada", FEW), peaks("ben", MANY)
    allowed = BYTES_PER_ROW * (MANY - FEW)
    assert all(most - least < allowed for least, most in zip(few, many, strict=True)), (few, many)


def test_long_rows_are_held_a_few_at_a_time(
    peaks: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((values, "BATCH_BYTES"), (new_side, "PAGE_BYTES")):
        monkeypatch.setattr(module, name, 10 * LONG)
    for module, name in ((sqlite, "FETCHED_AT_ONCE"), (verifying, "LONG_PAGE")):
        monkeypatch.setattr(module, name, 10)
    peaks("warm", SOME, LONG)
    few, many = peaks("ada", 10, LONG), peaks("ben", SOME, LONG)
    assert all(most < 2.2 * least for least, most in zip(few, many, strict=True)), (few, many)
