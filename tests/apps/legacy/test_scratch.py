from collections.abc import Iterator

import pytest

from apps.legacy.scratch import Scratch


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
