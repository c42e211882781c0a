"""Bodies with any value in any place: refused with a reason or taken, never a failure, and what is refused changes
nothing.
"""

import json

import pytest

# As JSON: of a wrong type, odd numbers, odd texts, an odd time, something huge.
VALUES = [
    "null",
    "-1",
    "9223372036854775808",
    '" "',
    '"\\u0000"',
    '"0001-01-01T00:00:00+23:59"',
    json.dumps("你" * 50),
    '{"": [1]}',
    json.dumps(["x"] * 600),
]
# What no reader of JSON can make anything of, wherever it stands.
UNREADABLE = ["", "{", "NaN", '"\\ud800"', "[" * 2_000 + "]" * 2_000, '{"a": 1e999}', '{"a": 1, "a": 2}']
ITEM = {
    "content": "x",
    "memory_type": "semantic",
    "session_id": "s",
    "subject_id": "u",
    "trust_tier": "T1",
    "initial_confidence": 0.5,
    "observed_at": "2026-01-01T00:00:00Z",
    "extra_metadata": {"a": 1},
    "branch": "main",
}
SEARCH = {
    "session_id": "s",
    "session_scope": "only",
    "subject_id": "u",
    "memory_types": ["semantic"],
    "branch": "main",
}
EXACT = {
    "extra_metadata_filter": {"a": 1},
    "subject_id": "u",
    "session_id": "s",
    "trust_tier": "T1",
    "memory_types": ["semantic"],
    "branch": "main",
    "at": "now",
    "limit": 5,
}
BODIES = {
    "POST /v1/memories": ITEM,
    "POST /v1/memories/batch": {"memories": [ITEM], "subject_id": "u", "branch": "main"},
    "POST /v1/memories/query": {**EXACT, "cursor": "0" * 32},
    "POST /v1/memories/fulltext-search": {**EXACT, "query": "tea"},
    "POST /v1/memories/retrieve": {**SEARCH, "query": "tea", "top_k": 5, "explain": "analyze", "at": "now"},
    "POST /v1/memories/correct": {**SEARCH, "query": "zebra", "new_content": "x", "reason": "r"},
    "PUT /v1/memories/{id}/correct": {"new_content": "x", "reason": "r", "branch": "main"},
    "POST /v1/memories/{id}/feedback": {"signal": "useful", "context": "c"},
    "POST /v1/memories/purge": {"memory_ids": ["x"], "reason": "r", "branch": "main", "dry_run": True},
    "POST /v1/observe": {
        "messages": [{"role": "user", "content": "hi"}],
        "session_id": "s",
        "subject_id": "u",
    },
    "POST /v1/pipeline/run": {
        "candidates": [{"content": "x", "memory_type": "semantic", "trust_tier": "T2"}]
    },
    "POST /v1/sessions/s/summary": {"mode": "full", "sync": True, "focus_topics": ["a"], "subject_id": "u"},
    "PUT /v1/retrieval-params": {"feedback_weight": 0.1, "temporal_decay_hours": 9, "confidence_weight": 0.1},
    "POST /v1/governance": {"force": True},
    "POST /v1/consolidate": {"force": True},
    "POST /v1/reflect": {"force": True, "mode": "auto"},
    "POST /v1/extract-entities": {"mode": "candidates"},
    "POST /v1/extract-entities/link": {
        "entities": [{"memory_id": "x", "entities": [{"name": "Redis", "type": "tech"}]}]
    },
    "POST /v1/snapshots": {"name": "n", "description": "d"},
    "POST /v1/branches": {"name": "n", "from_timestamp": "2026-01-01T00:00:00Z"},
}
QUERIES = {
    "/v1/memories": (
        "limit",
        "cursor",
        "memory_type",
        "trust_tier",
        "session_id",
        "subject_id",
        "branch",
        "at",
    ),
    "/v1/memories/{id}/history": ("branch", "at"),
    "/v1/profiles/me": ("subject_id", "branch", "at"),
    "/v1/snapshots": ("limit", "offset"),
    "/v1/snapshots/now": ("limit", "offset", "detail"),
    "/v1/snapshots/now/diff": ("limit",),
    "/v1/log": ("limit", "branch"),
}
WORDS = ("", "-1", "abc", "99999999999999999999", "%00", "%ff", "x" * 300, "9999-12-31T23:59:59-23:59", "*")


def places(body, path=()):
    """Every place in a body where a value stands."""
    yield path
    for key, inner in (
        body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    ):
        yield from places(inner, (*path, key))


def spelled(body, path, value):
    """The body as JSON with the value in that place."""
    if not path:
        return value
    if isinstance(body, dict):
        parts = (f"{json.dumps(k)}: {_inner(k, v, path, value)}" for k, v in body.items())
        return "{" + ", ".join(parts) + "}"
    return "[" + ", ".join(_inner(place, v, path, value) for place, v in enumerate(body)) + "]"


def _inner(key, inner, path, value):
    return spelled(inner, path[1:], value) if key == path[0] else json.dumps(inner)


@pytest.mark.parametrize("route", BODIES)
def test_any_value_in_any_place_of_a_body_is_taken_or_refused(ada, route):
    memory_id = ada.store("The kettle is blue")["memory_id"]
    ada.http.post("/v1/snapshots", json={"name": "now"})
    method, path = route.split()
    before = ada.contents()
    for place in places(BODIES[route]):
        for value in VALUES if place else UNREADABLE:
            url = path.format(id=memory_id)
            content = spelled(BODIES[route], place, value).encode()
            answer = ada.http.request(
                method, url, content=content, headers={"Content-Type": "application/json"}
            )
            what = (route, place, value[:60], answer.text[:200])
            assert answer.status_code < 500 or "LLM not configured" in answer.text, what
            if answer.status_code >= 400:
                assert set(answer.json()) >= {"detail", "code"}, what
                assert ada.contents() == before, what
                continue
            before = ada.contents()
            if route.startswith("PUT /v1/memories/"):
                memory_id = answer.json()["memory_id"]


@pytest.mark.parametrize("path", QUERIES)
def test_any_word_in_a_query_string_is_taken_or_refused(ada, path):
    memory_id = ada.store("The kettle is blue")["memory_id"]
    ada.http.post("/v1/snapshots", json={"name": "now"})
    for name in QUERIES[path]:
        for word in WORDS:
            answer = ada.http.get(f"{path.format(id=memory_id)}?{name}={word}")
            assert answer.status_code in (200, 400, 404, 422), (path, name, word, answer.text[:200])


def test_times_to_come_and_wild_confidences_are_clamped(ada):
    stored = ada.store("The kettle is blue", observed_at="9999-12-31T00:00:00Z", initial_confidence=7)
    assert stored["observed_at"] < "2200"
    assert stored["initial_confidence"] == 1.0
    assert ada.store("The kettle is red", initial_confidence=-3.5)["initial_confidence"] == 0.0
