"""POST /v1/memories/query and /v1/memories/fulltext-search."""

import pytest

METADATA = {
    "word": "two",
    "number": 2,
    "yes": True,
    "real": 2.5,
    "text": "2",
    "tab": 'a\\"b\t\U0001f600é',
    "null": None,
}


def query(person, **body):
    answer = person.http.post("/v1/memories/query", json=body)
    assert answer.status_code == 200, answer.text
    return [item["content"] for item in answer.json()["items"]]


def fulltext(person, text, **body):
    answer = person.http.post("/v1/memories/fulltext-search", json={"query": text, **body})
    assert answer.status_code == 200, answer.text
    return [item["content"] for item in answer.json()]


def refusal(person, path, **body):
    answer = person.http.post(f"/v1/memories/{path}", json=body)
    assert answer.status_code == 422, answer.text
    return answer.json()["detail"]


@pytest.fixture
def filled(ada):
    ada.store("tea of the morning", extra_metadata=METADATA, session_id="s1", subject_id="maria")
    ada.store("tea of the evening", session_id="s2", trust_tier="T3", memory_type="profile")
    ada.store("coffee of the morning", extra_metadata={"word": "Two", "number": 3, "yes": False})
    return ada


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"word": "two"}, ["tea of the morning"]),
        ({"word": "two "}, []),
        ({"word": "Two"}, ["coffee of the morning"]),
        ({"number": 2}, ["tea of the morning"]),
        ({"number": 2.0}, ["tea of the morning"]),
        ({"number": "2"}, []),
        ({"text": "2"}, ["tea of the morning"]),
        ({"text": 2}, []),
        ({"yes": True}, ["tea of the morning"]),
        ({"yes": 1}, []),
        ({"yes": "true"}, []),
        ({"yes": False}, ["coffee of the morning"]),
        ({"number": True}, []),
        ({"real": 2.5}, ["tea of the morning"]),
        ({"tab": METADATA["tab"]}, ["tea of the morning"]),
        ({"null": "null"}, []),
        ({"null": 0}, []),
        ({"missing": "x"}, []),
        ({"word": "two", "number": 3}, []),
    ],
    ids=repr,
)
def test_metadata_is_compared_by_type(filled, wanted, found):
    assert query(filled, extra_metadata_filter=wanted) == found


def test_selectors_are_anded(filled):
    assert query(filled, session_id="s1") == ["tea of the morning"]
    assert query(filled, session_id="s1 ") == []
    assert query(filled, subject_id=" maria ") == ["tea of the morning"]
    assert query(filled, trust_tier="T3") == ["tea of the evening"]
    assert query(filled, memory_types=["profile", "profile", " semantic "], trust_tier="T3") == [
        "tea of the evening"
    ]
    assert query(filled, branch="main") == [
        "coffee of the morning",
        "tea of the evening",
        "tea of the morning",
    ]
    assert query(filled, trust_tier="T4") == []


def test_pages_go_from_the_newest_to_the_oldest(ada):
    for n in range(5):
        ada.store(f"number {n}", session_id="s")
    found, cursor = [], None
    while True:
        page = ada.http.post(
            "/v1/memories/query", json={"session_id": "s", "limit": 2, "cursor": cursor}
        ).json()
        found += [item["content"] for item in page["items"]]
        assert all(item["retrieval_score"] is None for item in page["items"])
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == [f"number {n}" for n in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "structured query requires at least one filter selector"),
        ({"extra_metadata_filter": {}}, "structured query requires at least one filter selector"),
        ({"limit": 0, "session_id": "s"}, "limit must be between 1 and 500"),
        ({"limit": 501, "session_id": "s"}, "limit must be between 1 and 500"),
        ({"session_id": " "}, "session_id must not be empty when provided"),
        ({"subject_id": ""}, "subject_id must not be empty when provided"),
        ({"trust_tier": ""}, "trust_tier must not be empty when provided"),
        ({"branch": " "}, "branch must not be empty when provided"),
        ({"trust_tier": "T9"}, "Invalid trust tier: T9"),
        ({"memory_types": []}, "memory_types must contain only non-empty values when provided"),
        (
            {"memory_types": ["semantic", " "]},
            "memory_types must contain only non-empty values when provided",
        ),
        ({"memory_types": ["dream"]}, "Invalid memory type: dream"),
        ({"session_id": "s", "cursor": "nope"}, "cursor must be a 32-character hexadecimal memory_id"),
    ],
)
def test_bad_queries_are_refused(ada, body, detail):
    assert refusal(ada, "query", **body) == detail


@pytest.mark.parametrize(
    "wanted",
    [
        {f"k{n}": 1 for n in range(17)},
        {"a-b": 1},
        {"": 1},
        {"$.a": 1},
        {'a" OR "1': 1},
        {"9a": 1},
        {"k" * 65: 1},
        {"a": None},
        {"a": []},
        {"a": {}},
        {"a": "x" * 1024},
    ],
    ids=lambda wanted: str(wanted)[:20],
)
def test_bad_metadata_filters_are_refused(ada, wanted):
    for path, body in (("query", {}), ("fulltext-search", {"query": "x"})):
        detail = refusal(ada, path, extra_metadata_filter=wanted, **body)
        assert detail.startswith("Validation error: extra_metadata_filter")


@pytest.mark.parametrize("path", ["query", "fulltext-search"])
def test_unknown_fields_and_branches_are_refused(ada, path):
    body = {"session_id": "s", "query": "x"} if path == "fulltext-search" else {"session_id": "s"}
    assert ada.http.post(f"/v1/memories/{path}", json={**body, "colour": 1}).status_code == 422
    answer = ada.http.post(f"/v1/memories/{path}", json={**body, "branch": "nowhere"})
    assert (answer.status_code, "nowhere" in answer.json()["detail"]) == (404, True)
    assert ada.http.get(f"/v1/memories/{path}").status_code == 405


def test_fulltext_finds_any_word_best_first_and_nothing_else(filled):
    assert fulltext(filled, "tea evening")[0] == "tea of the evening"
    assert set(fulltext(filled, "tea evening")) == {"tea of the evening", "tea of the morning"}
    assert fulltext(filled, "morning", limit=1) == ["coffee of the morning"]
    assert fulltext(filled, "submarine") == []
    assert fulltext(filled, "_") == []


def test_fulltext_knows_chinese_and_identifiers(ada):
    ada.store("用户喜欢喝绿茶")
    ada.store("the job is called nightly-export_v2")
    assert fulltext(ada, "绿茶") == ["用户喜欢喝绿茶"]
    assert fulltext(ada, "nightly-export_v2") == ["the job is called nightly-export_v2"]
    assert fulltext(ada, "export") == ["the job is called nightly-export_v2"]


def test_fulltext_filters_come_before_the_cut(ada):
    items = [{"content": f"tea number {n}"} for n in range(60)]
    for _ in range(2):
        assert ada.http.post("/v1/memories/batch", json={"memories": items}).status_code == 201
    ada.store("a long note that mentions tea at the very end", extra_metadata={"rare": True}, session_id="s")
    for only in ({"extra_metadata_filter": {"rare": True}}, {"session_id": "s"}):
        assert fulltext(ada, "tea", limit=1, **only) == ["a long note that mentions tea at the very end"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"query": "x", "limit": 0}, "limit must be between 1 and 100"),
        ({"query": "x", "limit": 101}, "limit must be between 1 and 100"),
        ({"query": "é" * 2049}, "Validation error: fulltext query must not exceed 4096 bytes"),
        (
            {"query": " .!? "},
            "Validation error: fulltext query must contain at least one Unicode letter, number, or underscore",
        ),
        ({"query": "x", "session_id": ""}, "session_id must not be empty when provided"),
        ({"query": "x", "memory_types": [" "]}, "memory_types entries must not be empty when provided"),
    ],
)
def test_bad_fulltext_searches_are_refused(ada, body, detail):
    assert refusal(ada, "fulltext-search", **body) == detail


def test_both_read_branches_and_moments(ada):
    kept = ada.store("tea on main", session_id="s")
    assert ada.http.post("/v1/snapshots", json={"name": "before"}).status_code == 201
    assert ada.http.post("/v1/branches", json={"name": "side"}).status_code == 201
    ada.store("tea on the side", session_id="s", branch="side")
    ada.http.delete(f"/v1/memories/{kept['memory_id']}")
    for find in (
        lambda **view: query(ada, session_id="s", **view),
        lambda **view: fulltext(ada, "tea", **view),
    ):
        assert find() == []
        assert sorted(find(branch="side")) == ["tea on main", "tea on the side"]
        assert find(at="before") == ["tea on main"]


def test_neither_finds_what_is_somebody_elses(filled, ben):
    assert query(ben, session_id="s1") == []
    assert fulltext(ben, "tea") == []
