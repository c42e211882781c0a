import tracemalloc
from collections.abc import Iterator

import pytest

from apps.legacy.made import TABLES
from apps.legacy.scratch import Scratch
from apps.legacy.services.old_side import OldSide
from apps.legacy.source import BATCH, Row


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    made = Scratch()
    yield made
    made.close()


def test_a_shelf_is_a_set_of_keys_in_order(scratch: Scratch) -> None:
    shelf = scratch.shelf()
    shelf.add(str(n) for n in range(2_000))
    shelf.add(["7", "é", "e\u0301", "A", "a", "a "])
    assert list(shelf) == sorted({*map(str, range(2_000)), "é", "e\u0301", "A", "a", "a "})
    assert list(shelf.lacking(["x", "7", "", "a  ", "a"])) == ["x", "", "a  "]
    assert "7" in shelf
    assert 7 not in shelf
    assert "7" not in scratch.shelf()


def test_a_shelf_gives_the_last_value_of_a_key(scratch: Scratch) -> None:
    shelf = scratch.shelf()
    shelf.put([(("m1", "coffee"), "llm"), (("m2", "tea"), None), ("plain", ["用户", None])])
    shelf.put([(("m1", "coffee"), "manual")])
    assert dict(shelf.items()) == {("m1", "coffee"): "manual", ("m2", "tea"): None, "plain": ["用户", None]}
    assert shelf.found([("m1", "coffee"), ("m1", "tea")]) == {("m1", "coffee"): "manual"}


class _Endless:
    """An old database of one user with many rows of everything, none of which is kept."""

    is_mysql = False

    def __init__(self, count: int) -> None:
        self._count = count

    def rows(self, sql: str, parameters: object = ()) -> Iterator[list[Row]]:
        for start in range(0, self._count, BATCH):
            yield [self._row(n) for n in range(start, min(self._count, start + BATCH))]

    @staticmethod
    def _row(n: int) -> Row:
        row: Row = dict.fromkeys(("memory_id", "id", "edit_id", "entity_id", "entity_name"), f"{n:032x}")
        row |= {
            "name": f"thing {n}",
            "user_id": "ada",
            "source": "manual",
            "signal": "useful",
            "operation": "inject",
        }
        return row | {"memory_type": "semantic", "content": f"text {n}", "created_at": "2024-01-01"}

    def name(self, identifier: str) -> str:
        return identifier

    bytewise = name


def test_a_user_with_many_rows_takes_no_more_memory_than_one_with_few() -> None:
    tables = {table: shape.names for table, shape in TABLES.items()}
    tables["mem_branches"] = []

    def peak(count: int) -> int:
        tracemalloc.start()
        old = OldSide(_Endless(0), tables, "ada", None)  # type: ignore[arg-type]
        old.source = _Endless(count)  # type: ignore[assignment]
        for table in (old.memories("mem_memories"), old.edits(), old.feedback()):
            assert sum(1 for _ in table) == count
        assert sum(1 for _ in old.links().sources) == 2 * count
        old.close()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(6 * BATCH) < 1.3 * peak(2 * BATCH)
