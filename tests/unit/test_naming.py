"""Names: derived in one place, and nothing hostile gets through."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria import naming
from memoria.errors import Invalid

NOW = datetime(2026, 5, 2, 8, 15, 30, 123456, tzinfo=UTC)
MARK = "fdee430d"


def test_the_database_name_is_that_of_the_earlier_server():
    """First 8 bytes of SHA-256 over the id's UTF-8, in lower-case hex."""
    assert naming.database_name("ada") == "mem_u_fdee430d40bd57de"


@given(st.text(min_size=1, max_size=64), st.integers(0, 7))
def test_every_name_matches_the_pattern(user_id, attempt):
    if naming.is_encodable(user_id):
        assert naming.DATABASE_NAME.match(naming.database_name(user_id, attempt))


@given(st.text(max_size=80))
def test_only_database_names_become_paths(name):
    if naming.DATABASE_NAME.match(name):
        assert naming.database_path(name).parts[0] == "users"
    else:
        with pytest.raises(ValueError):
            naming.database_path(name)


@pytest.mark.parametrize(
    "name", ["mem_u_" + "a" * 16 + "\n", "mem_u_" + "A" * 16, "mem_u_../../x", "mysql", ""]
)
def test_near_misses_are_refused(name):
    with pytest.raises(ValueError):
        naming.checked_database_name(name)


@pytest.mark.parametrize("name", ["`x`", "x y", "x;", "x\0", "é", "1x", "", "x" * 65, "../x"])
def test_hostile_identifiers_are_not_quoted(name):
    with pytest.raises(ValueError):
        naming.quoted_identifier(name, "`")


def test_user_ids_are_kept_byte_by_byte():
    for user_id in ("Alice", "alice ", " x", "é", "e\u0301", "a" * 64, "\U0001f600", "x\ny"):
        assert naming.checked_user_id(user_id) == user_id


@pytest.mark.parametrize("user_id", ["", "x" * 65, "grp_1", "group:1", "a\0b", "\udc00"])
def test_unacceptable_user_ids(user_id):
    with pytest.raises(Invalid):
        naming.checked_user_id(user_id)


def test_memory_ids_are_version_7_and_carry_the_owner():
    (memory_id,) = naming.memory_ids(NOW, b"\xff" * 4, MARK)
    assert naming.MEMORY_ID.match(memory_id)
    assert int(memory_id[:12], 16) == int(NOW.timestamp() * 1000)
    assert memory_id[12] == "7"
    assert memory_id[16] in "89ab"
    assert naming.mark_of(memory_id) == MARK


@given(st.binary(min_size=4, max_size=4), st.integers(1, 200))
def test_ids_of_one_call_ascend(randomness, count):
    ids = naming.memory_ids(NOW, randomness, MARK, count)
    assert ids == sorted(set(ids))
    assert all(naming.mark_of(memory_id) == MARK for memory_id in ids)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)),
    st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1)),
)
def test_ids_are_ordered_by_time(one, other):
    first, second = (
        naming.memory_ids(t.replace(tzinfo=UTC), b"\0" * 4, MARK)[0] for t in sorted((one, other))
    )
    assert first <= second


def test_ids_made_elsewhere_have_no_mark_we_trust():
    assert naming.mark_of("not an id") is None
