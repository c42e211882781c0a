"""Store, batch, list, get, delete: endpoints 5-7, 14 and 15 of the contract."""

import re

import pytest


def test_store_answers_with_the_defaults(ada):
    memory = ada.store("Deploys run from the blue cluster")
    assert re.fullmatch(r"[0-9a-f]{32}", memory["memory_id"])
    assert memory["memory_id"][12] == "7"
    assert memory["memory_type"] == "semantic"
    assert memory["trust_tier"] == "T1"
    assert memory["initial_confidence"] == 0.95
    assert memory["is_active"] is True
    assert memory["session_id"] is None
    assert memory["created_at"] is None
    assert memory["retrieval_score"] is None
    assert memory["user_id"] == ada.user_id
    assert not {"author_id", "subject_id", "extra_metadata", "embedding", "source_event_ids"} & memory.keys()


def test_store_echoes_and_keeps_what_was_given(ada):
    memory = ada.store(
        "Prefers tea",
        memory_type="profile",
        trust_tier="T2",
        initial_confidence=0.85,
        session_id=" s 1 ",
        subject_id=" cust-17 ",
        observed_at="2026-05-02T08:15:30.120+02:00",
        extra_metadata={"scene": "ops", "n": [1, {"deep": None}]},
    )
    read = ada.http.get(f"/v1/memories/{memory['memory_id']}").json()
    for shown in (memory, read):
        assert shown["memory_type"] == "profile"
        assert shown["trust_tier"] == "T2"
        assert shown["initial_confidence"] == pytest.approx(0.85)
        assert shown["session_id"] == " s 1 "
        assert shown["subject_id"] == "cust-17"
        assert shown["observed_at"] == "2026-05-02T06:15:30.120000+00:00"
        assert shown["extra_metadata"] == {"scene": "ops", "n": [1, {"deep": None}]}
    assert read["created_at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"content": ""}, 422, "content must not be empty"),
        ({"content": "x" * 32_769}, 422, "content exceeds 32 KiB limit"),
        ({"content": "é" * 16_385}, 422, "content exceeds 32 KiB limit"),
        ({"content": "x", "memory_type": "Semantic"}, 422, "Invalid memory type: Semantic"),
        ({"content": "x", "trust_tier": "verified"}, 422, "Invalid trust tier: verified"),
        ({"content": "x", "extra_metadata": [1]}, 422, "Failed to deserialize"),
        ({"content": "x", "observed_at": "yesterday"}, 422, "observed_at"),
        ({"content": "x", "observed_at": "2026-05-02T08:15:30"}, 422, "observed_at"),
        (
            {"content": "x", "subject_id": "s" * 129},
            422,
            "subject_id exceeds maximum length of 128 characters",
        ),
        ({"content": "x", "session_id": "s" * 65}, 422, "session_id exceeds maximum length"),
        ({"content": "x", "extra_metadata": {"n": 2**70}}, 422, "64 bits"),
        ({"content": 5}, 422, "Failed to deserialize"),
        ({"content": "x", "memory_type": None}, 422, "Failed to deserialize"),
        ({}, 422, "content"),
        ({"content": "x", "branch": "nowhere"}, 404, "Memory not found: Branch 'nowhere'"),
    ],
)
def test_store_refuses_bad_input_and_keeps_nothing(ada, fields, status, text):
    answer = ada.http.post("/v1/memories", json=fields)
    assert answer.status_code == status
    assert text in answer.json()["detail"]
    assert answer.json()["code"]
    assert ada.contents() == []


def test_store_ignores_unknown_fields_and_nulls_of_optional_ones(ada):
    memory = ada.store("x", source="sdk", whatever=1, session_id=None, trust_tier=None, branch=None)
    assert memory["session_id"] is None


def test_a_confidence_is_clamped_and_the_future_is_now(ada):
    memory = ada.store("x", initial_confidence=7, observed_at="2999-01-01T00:00:00Z")
    assert memory["initial_confidence"] == 1.0
    assert memory["observed_at"] < "2999"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "text"),
    [
        ("", "application/json", 400, "Failed to parse the request body as JSON: "),
        ("{", "application/json", 400, "Failed to parse the request body as JSON: "),
        ('{"content": "x"}', "text/plain", 415, "Expected request with `Content-Type: application/json`"),
        ("[1]", "application/json", 422, "Failed to deserialize the JSON body into the target type: "),
        ('{"content": "x", "initial_confidence": NaN}', "application/json", 400, "Failed to parse"),
        ('{"content": "x", "initial_confidence": 1e999}', "application/json", 422, "Failed to deserialize"),
        ('{"content": "x", "extra_metadata": {"a": Infinity}}', "application/json", 400, "Failed to parse"),
        ('{"content": "\\ud800"}', "application/json", 400, "Failed to parse"),
        (
            '{"content": "x", "extra_metadata": {"a": ' + "[" * 100_000,
            "application/json",
            400,
            "Failed to parse",
        ),
    ],
)
def test_a_body_that_cannot_be_read(ada, body, content_type, status, text):
    answer = ada.http.post("/v1/memories", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(text)


def test_metadata_may_be_nested_as_deep_as_every_engine_allows(ada):
    deep: object = "bottom"
    for _ in range(28):
        deep = {"d": deep}
    assert ada.store("fits", extra_metadata={"d": deep})["extra_metadata"] == {"d": deep}
    answer = ada.http.post("/v1/memories", json={"content": "x", "extra_metadata": {"d": {"d": {"d": deep}}}})
    assert (answer.status_code, "nested" in answer.json()["detail"]) == (422, True)


def test_a_json_suffix_is_json(ada):
    headers = {"Content-Type": "application/merge-patch+json; charset=utf-8"}
    assert ada.http.post("/v1/memories", content='{"content": "x"}', headers=headers).status_code == 201


def test_a_body_over_two_mebibytes_is_refused(ada):
    answer = ada.http.post(
        "/v1/memories",
        content=b'{"content":"' + b"x" * (2 * 1024 * 1024) + b'"}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.json()["detail"] == "Failed to buffer the request body: length limit exceeded"


def test_the_same_text_again_gives_the_first_memory_and_takes_over_metadata(ada):
    first = ada.store("Prefers tea", extra_metadata={"a": 1})
    again = ada.store("Prefers tea", extra_metadata={"b": 2})
    assert again["memory_id"] == first["memory_id"]
    assert again["created_at"] is not None
    assert again["extra_metadata"] == {"b": 2}
    assert ada.store("Prefers tea")["extra_metadata"] == {"b": 2}
    assert "extra_metadata" not in ada.store("Prefers tea", extra_metadata={})
    assert ada.contents() == ["Prefers tea"]


def test_the_same_text_under_two_subjects_types_or_sessions_is_two_memories(ada):
    for fields in (
        {},
        {"subject_id": "a"},
        {"subject_id": "b"},
        {"memory_type": "profile"},
        {"session_id": "s"},
    ):
        ada.store("Prefers tea", **fields)
    assert len(ada.contents()) == 5


def test_batch_keeps_the_order_and_the_defaults(ada):
    items = [
        {"content": "one", "trust_tier": "T3"},
        {"content": "two", "subject_id": "own", "memory_type": "profile"},
        {"content": "three", "extra_metadata": {"k": "v"}, "session_id": "s"},
    ]
    answer = ada.http.post("/v1/memories/batch", json={"memories": items, "subject_id": "common"})
    assert answer.status_code == 201
    stored = answer.json()
    assert [item["content"] for item in stored] == ["one", "two", "three"]
    assert [item["subject_id"] for item in stored] == ["common", "own", "common"]
    assert stored[0]["trust_tier"] == "T3"
    assert stored[0]["initial_confidence"] == pytest.approx(0.65)
    assert stored[1]["memory_type"] == "profile"
    assert stored[2]["extra_metadata"] == {"k": "v"}
    assert ada.contents() == ["one", "two", "three"]


def test_batch_limits(ada):
    post = lambda items, **more: ada.http.post("/v1/memories/batch", json={"memories": items, **more})  # noqa: E731
    assert post([]).json() == []
    assert post([]).status_code == 201
    full = post([{"content": f"item {n}"} for n in range(100)])
    assert full.status_code == 201
    assert len(full.json()) == 100
    over = post([{"content": f"more {n}"} for n in range(101)])
    assert (over.status_code, over.json()["detail"]) == (422, "batch exceeds 100 items")
    bad = post([{"content": "fine"}, {"content": "x", "memory_type": "nope"}])
    assert (bad.status_code, bad.json()["detail"]) == (422, "Invalid memory type: nope")
    long = post([{"content": "fine"}, {"content": "x" * 40_000}])
    assert (long.status_code, long.json()["detail"]) == (422, "content exceeds 32 KiB limit")
    branch = post([{"content": "fine", "branch": "b"}], branch="c")
    assert branch.json()["detail"] == "per-memory branch in batch must match the batch branch"
    assert len(ada.contents()) == 100


def test_list_pages_visit_every_memory_once(ada):
    ids = [
        ada.store(f"fact {n}", memory_type="profile" if n % 2 else "semantic")["memory_id"] for n in range(7)
    ]
    seen, cursor = [], None
    while True:
        page = ada.http.get(
            "/v1/memories", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        ).json()
        seen += [item["memory_id"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == sorted(ids, reverse=True)
    profile = ada.http.get("/v1/memories", params={"memory_type": "profile", "limit": 1}).json()
    assert profile["items"][0]["content"] == "fact 5"
    assert profile["next_cursor"] == profile["items"][0]["memory_id"]


def test_list_is_lenient_where_the_contract_is(ada):
    ada.store("x", session_id="s")
    get = lambda **q: ada.http.get("/v1/memories", params=q)  # noqa: E731
    assert len(get(limit=9999).json()["items"]) == 1
    assert len(get(limit=0).json()["items"]) == 1
    assert len(get(cursor="not a cursor").json()["items"]) == 1
    assert get(memory_type="unknown").json() == {"items": [], "next_cursor": None}
    assert len(get(session_id="").json()["items"]) == 1
    assert get(session_id="other").json()["items"] == []
    assert get(trust_tier="").status_code == 422
    assert get(trust_tier="T9").json()["detail"] == "Invalid trust tier: T9"
    assert get(limit="abc").status_code == 400
    assert get(limit="abc").json()["detail"].startswith("Failed to deserialize query string: ")
    assert ada.http.get("/v1/memories?limit=1&limit=2").status_code == 400
    assert get(branch="nowhere").status_code == 404
    assert get(unknown="1").status_code == 200


def test_get_and_delete(ada, ben):
    memory = ada.store("Prefers tea")
    path = f"/v1/memories/{memory['memory_id']}"
    assert ada.http.get(path).json()["content"] == "Prefers tea"
    for client in (ben.http,):
        assert client.get(path).status_code == 404
        assert client.delete(path).status_code == 404
    assert ada.http.delete(path).status_code == 204
    assert ada.http.delete(path, params={"reason": "again"}).json()["detail"] == "Memory not found"
    assert ada.http.get(path).status_code == 404
    assert ada.http.get(path).json() == {"detail": "Memory not found", "code": "not_found"}
    assert ada.contents() == []


def test_a_master_caller_reads_and_deletes_by_id_without_naming_the_user(ada, ops):
    memory = ada.store("Prefers tea")
    path = f"/v1/memories/{memory['memory_id']}"
    assert ops.get(path).json()["user_id"] == ada.user_id
    assert ops.put(f"{path}/correct", json={"new_content": "Prefers coffee"}).status_code == 200
    assert ada.contents() == ["Prefers coffee"]
    newer = ada.http.get("/v1/memories").json()["items"][0]["memory_id"]
    assert ops.delete(f"/v1/memories/{newer}").status_code == 204
    assert ada.contents() == []
    assert ops.delete(f"/v1/memories/{'0' * 32}").status_code == 204
    assert ops.get(f"/v1/memories/{'0' * 32}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/memories", "GET, POST, HEAD"),
        ("GET", "/v1/memories/batch", "POST"),
        ("GET", "/v1/memories/retrieve", "POST"),
        ("OPTIONS", "/v1/memories", "GET, POST, HEAD"),
    ],
)
def test_a_wrong_method_says_which_are_right(ada, method, path, allowed):
    answer = ada.http.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed


def test_unknown_paths_and_trailing_slashes_are_not_found(ada):
    for path in ("/v1/memories/", "/v1/nothing", "/"):
        assert ada.http.get(path).status_code == 404
        assert ada.http.get(path).json()["code"] == "not_found"
