"""Spellings of time, and fingerprints of texts and states."""

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.digest import content_hash, state_digest
from memoria.errors import Invalid
from memoria.times import from_naive_utc, from_rfc3339, naive_utc, rfc3339

WHOLE = datetime(2026, 5, 2, 8, 15, 30, tzinfo=UTC)


def test_spellings():
    assert rfc3339(WHOLE) == "2026-05-02T08:15:30+00:00"
    assert rfc3339(WHOLE + timedelta(milliseconds=120)) == "2026-05-02T08:15:30.120000+00:00"
    assert rfc3339(WHOLE.astimezone(timezone(timedelta(hours=2)))) == "2026-05-02T08:15:30+00:00"
    assert naive_utc(WHOLE) == "2026-05-02 08:15:30"


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_can_be_read(moment):
    assert from_rfc3339(rfc3339(moment), "x") == moment
    assert from_naive_utc(naive_utc(moment), "x") == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-05-02",
        "2026-05-02T08:15:30",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-01-01T00Z",
        "2026-01-01T00:00:00+0200",
        "２026-01-01T00:00:00Z",
    ],
)
def test_a_timestamp_needs_its_offset(text):
    with pytest.raises(Invalid, match="observed_at"):
        from_rfc3339(text, "observed_at")


@pytest.mark.parametrize("text", ["2026-05-02t08:15:30z", "2026-05-02 08:15:30.000000001+00:00"])
def test_every_spelling_of_the_standard_is_read(text):
    assert from_rfc3339(text, "x") == WHOLE


def state(**changes):
    row = {
        "user_id": "ada",
        "author_id": None,
        "subject_id": None,
        "session_id": None,
        "memory_type": "semantic",
        "content": "tea",
        "trust_tier": "T1",
        "initial_confidence": 0.95,
        "is_active": True,
        "superseded_by": None,
        "source_event_ids": [],
        "extra_metadata": None,
        "observed_at": WHOLE,
        "created_at": WHOLE,
        "born": 1,
    }
    return SimpleNamespace(**{**row, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "coffee"},
        {"is_active": False},
        {"superseded_by": "x"},
        {"subject_id": "s"},
        {"author_id": "a"},
        {"extra_metadata": {"a": 1}},
        {"trust_tier": "T2"},
        {"initial_confidence": 0.9},
        {"session_id": "s"},
    ],
)
def test_every_part_of_the_state_counts(changes):
    assert state_digest(state()) != state_digest(state(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"observed_at": WHOLE + timedelta(days=1)},
        {"born": 7},
        {"extra_metadata": {}},
        {"is_active": 1},
    ],
)
def test_times_and_spellings_do_not_count(changes):
    assert state_digest(state()) == state_digest(state(**changes))


def test_the_order_of_metadata_does_not_count():
    assert state_digest(state(extra_metadata={"a": 1, "b": 2})) == state_digest(
        state(extra_metadata={"b": 2, "a": 1})
    )


def test_digests_fit_into_a_signed_integer():
    assert all(0 <= state_digest(state(content=str(n))) < 2**63 for n in range(200))


def test_blanks_around_a_text_do_not_make_it_another():
    assert content_hash(" tea\n") == content_hash("tea") != content_hash("Tea")
