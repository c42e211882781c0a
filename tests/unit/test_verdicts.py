"""The three-way table, and how rows are sorted into buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.verdicts import Side, Touched, Update, Verdict, chain, sort_out, successors, verdict

SAME, BEHIND, AHEAD, CONFLICT = Verdict.SAME, Verdict.BEHIND, Verdict.AHEAD, Verdict.CONFLICT
digests = st.one_of(st.none(), st.integers(0, 3))


@pytest.mark.parametrize(
    ("mine", "base", "theirs", "expected"),
    [
        (None, None, None, SAME),
        (1, None, 1, SAME),  # both sides made the same row
        (1, 0, 1, SAME),
        (0, 0, 1, BEHIND),
        (0, 0, None, BEHIND),
        (1, None, None, AHEAD),  # new on the branch
        (None, 0, 0, AHEAD),  # removed on the branch
        (1, 0, 0, AHEAD),
        (1, 0, 2, CONFLICT),
        (None, 0, 2, CONFLICT),
        (1, 0, None, CONFLICT),
        (1, None, 2, CONFLICT),
    ],
)
def test_the_table(mine, base, theirs, expected):
    assert verdict(mine, base, theirs) is expected


@given(digests, digests, digests)
def test_swapping_the_sides_swaps_ahead_and_behind(mine, base, theirs):
    swapped = {AHEAD: BEHIND, BEHIND: AHEAD}
    found = verdict(mine, base, theirs)
    assert verdict(theirs, base, mine) is swapped.get(found, found)


@given(digests, digests)
def test_a_merge_leaves_nothing_to_do(mine, base):
    """After main took the branch's row, and the base moved to it, the row is the same on both sides."""
    assert verdict(mine, mine, mine) is SAME


def row(memory_id, mine, base, theirs):
    return Touched(memory_id, mine, base, theirs)


def side(digest, is_active=True, superseded_by=None):
    return Side(digest, is_active, superseded_by)


def test_buckets():
    rows = [
        row("added", side(1), None, None),
        row("edited", side(1), 0, side(0)),
        row("gone", side(1, is_active=False), 0, side(0)),
        row("absent", None, 0, side(0)),
        row("old", side(1, False, "new"), 0, side(0)),
        row("new", side(2), None, None),
        row("hidden", side(1, is_active=False), None, None),
        row("behind", side(0), 0, side(5)),
    ]
    buckets = sort_out(rows, {})
    assert buckets.added == ["added"]
    assert buckets.updated == [Update("edited", "edited"), Update("old", "new")]
    assert buckets.removed == ["absent", "gone"]
    assert buckets.behind == ["behind"]
    assert buckets.conflicts == []
    assert buckets.ahead == {r.memory_id for r in rows} - {"behind"}


def test_a_correction_of_a_correction_pairs_the_first_with_the_last():
    rows = [
        row("a", side(1, False, "b"), 0, side(0)),
        row("b", side(2, False, "c"), None, None),
        row("c", side(3), None, None),
    ]
    buckets = sort_out(rows, {})
    assert buckets.updated == [Update("a", "c")]
    assert buckets.added == []


def test_a_correction_that_was_purged_is_a_removal():
    rows = [row("a", side(1, False, "b"), 0, side(0)), row("b", side(2, is_active=False), None, None)]
    buckets = sort_out(rows, {})
    assert (buckets.updated, buckets.removed) == ([], ["a"])


def test_two_corrections_of_one_memory_are_one_conflict_with_both_successors():
    rows = [row("a", side(1, False, "mine"), 0, side(2, False, "theirs")), row("mine", side(3), None, None)]
    buckets = sort_out(rows, {"theirs": side(4)})
    (unit,) = buckets.conflicts
    assert (unit.memory_id, unit.mine, unit.theirs) == ("a", ("mine",), ("theirs",))
    assert buckets.aside == {"a", "mine", "theirs"}
    assert (buckets.added, buckets.updated, buckets.ahead) == ([], [], set())


def test_a_loop_of_successors_ends():
    sides = {"a": side(1, False, "b"), "b": side(2, False, "a")}
    assert successors("a", sides) == ("b",)


def test_an_update_brings_only_what_the_target_did_not_change():
    gone = Side(11, False, "b")
    rows = [
        row("a", gone, 1, Side(1, True, None)),
        row(
            "b", Side(12, False, "c"), 12, Side(99, False, None)
        ),  # the target changed it, the branch did not
        row("c", Side(13, True, None), None, None),
    ]
    buckets = sort_out(rows, {})
    assert buckets.updated == [Update("a", "c")]
    assert chain(buckets.updated[0], {r.memory_id: r for r in rows}, buckets.ahead) == ["a", "c"]


def test_an_update_never_brings_a_side_of_a_conflict():
    rows = [
        row("a", Side(11, False, "c"), 1, Side(1, True, None)),
        row("c", Side(13, True, None), 7, Side(8, True, None)),
    ]
    buckets = sort_out(rows, {})
    assert [unit.memory_id for unit in buckets.conflicts] == ["c"]
    assert buckets.updated == []
    assert buckets.removed == ["a"]
