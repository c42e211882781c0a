"""Nobody sees, changes or makes anything of somebody else's: sections 1.5 and 19 of the contract."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from tests import engine

SAME = {
    "session_id": "s1",
    "subject_id": "cust-1",
    "memory_type": "profile",
    "extra_metadata": {"scene": "ops"},
}
STRANGE_IDS = [
    "Alice",
    "alice",
    "ALICE",
    "alice ",
    " alice",
    "alice\t",
    "\u00e9",
    "e\u0301",
    "e",
    "ß",
    "ss",
    "\ufb00",
    "ff",
    "\u212a",
    "k",
    "o'neil",
    'say "hi"',
    "back\\slash",
    "`tick`",
    "100%",
    "100_",
    "1001",
    "two\nlines",
    "'; DROP TABLE x; --",
    "x" * 64,
    "x" * 63,
    "😀",
    "😁",
    "😀" * 64,
    "../../etc/passwd",
    "a/b",
    "a%2Fb",
    "null",
    "0",
    "00",
    "mem_u_0123456789abcdef",
    "zero\u200bwidth",
    "zerowidth",
]


def user_databases(server):
    """The names of all databases of users."""
    if engine.SERVER is not None:
        return set(engine.SERVER.execute(r"SHOW DATABASES LIKE 'mem\_u\_%'").split())
    users = Path(server.environment["MEMORIA_DATA_DIR"], "users")
    return {path.name for path in users.rglob("*.sqlite3")}


def same_in_both(ada, ben):
    """Both users' memories with everything alike but the ids."""
    return ada.store("Prefers tea in the morning", **SAME), ben.store("Prefers tea in the morning", **SAME)


def ids(answer):
    assert answer.status_code in (200, 201), answer.text
    body = answer.json()
    return [item["memory_id"] for item in (body["items"] if isinstance(body, dict) else body)]


# Two users with the same contents


def test_the_same_content_is_a_memory_of_each(ada, ben):
    of_ada, of_ben = same_in_both(ada, ben)
    assert of_ada["memory_id"] != of_ben["memory_id"]
    assert (of_ada["user_id"], of_ben["user_id"]) == (ada.user_id, ben.user_id)
    batches = [
        p.http.post("/v1/memories/batch", json={"memories": [{"content": "in a batch", **SAME}]})
        for p in (ada, ben)
    ]
    assert not set(ids(batches[0])) & set(ids(batches[1]))
    assert ada.contents() == ben.contents() == ["Prefers tea in the morning", "in a batch"]


def test_no_list_shows_the_other_ones_memories(ada, ben):
    of_ada, of_ben = same_in_both(ada, ben)
    for parameters in (
        {},
        {"session_id": "s1"},
        {"subject_id": "cust-1"},
        {"memory_type": "profile"},
        {"trust_tier": "T1"},
        {"limit": "1"},
        {"cursor": "f" * 32},
        {"memory_type": "profile", "subject_id": "cust-1", "session_id": "s1", "branch": "main"},
    ):
        assert ids(ada.http.get("/v1/memories", params=parameters)) == [of_ada["memory_id"]], parameters
        assert ids(ben.http.get("/v1/memories", params=parameters)) == [of_ben["memory_id"]], parameters


@pytest.mark.parametrize("route", ["retrieve", "search"])
def test_no_query_finds_the_other_ones_memories(ada, ben, route):
    of_ada, of_ben = same_in_both(ada, ben)
    ben.store("Ben alone prefers tea at night in the morning room")
    for fields in (
        {},
        {"session_id": "s1", "session_scope": "only"},
        {"session_id": "s1", "session_scope": "prefer"},
        {"subject_id": "cust-1"},
        {"memory_types": ["profile"]},
        {"branch": "main", "top_k": 100},
    ):
        body = {"query": "Prefers tea in the morning", **fields}
        assert ids(ada.http.post(f"/v1/memories/{route}", json=body)) == [of_ada["memory_id"]], fields
        assert of_ben["memory_id"] in ids(ben.http.post(f"/v1/memories/{route}", json=body)), fields
        explained = ada.http.post(f"/v1/memories/{route}", json={**body, "explain": "analyze"}).text
        assert of_ben["memory_id"] not in explained, fields


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/history", None),
        ("PUT", "/correct", {"new_content": "taken over"}),
        ("DELETE", "", None),
    ],
)
def test_a_foreign_id_is_not_found_and_stays_as_it_is(ada, ben, method, path, body):
    of_ada, of_ben = same_in_both(ada, ben)
    answer = ben.http.request(method, f"/v1/memories/{of_ada['memory_id']}{path}", json=body)
    assert answer.status_code == 404
    assert of_ada["content"] not in answer.text
    assert ada.user_id not in answer.text
    assert ids(ada.http.get("/v1/memories")) == [of_ada["memory_id"]]
    assert ids(ben.http.get("/v1/memories")) == [of_ben["memory_id"]]


@pytest.mark.parametrize(
    "body",
    [
        {"topic": "Prefers tea"},
        {"session_id": "s1"},
        {"session_id": "s1", "memory_types": ["profile"]},
    ],
)
def test_a_purge_leaves_the_other_one_alone(ada, ben, body):
    of_ada, _ = same_in_both(ada, ben)
    assert ben.http.post("/v1/memories/purge", json=body).json()["purged"] == 1
    assert ben.contents() == []
    assert ids(ada.http.get("/v1/memories")) == [of_ada["memory_id"]]


def test_a_purge_that_names_a_foreign_id_does_nothing(ada, ben):
    of_ada, of_ben = same_in_both(ada, ben)
    both = [of_ben["memory_id"], of_ada["memory_id"]]
    answer = ben.http.post("/v1/memories/purge", json={"memory_ids": both})
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"Memory not found: {of_ada['memory_id']}"
    assert len(ada.contents()) == len(ben.contents()) == 1


def test_a_correction_by_query_changes_the_callers_memory_only(ada, ben):
    same_in_both(ada, ben)
    body = {"query": "Prefers tea in the morning", "new_content": "Prefers coffee"}
    corrected = ben.http.post("/v1/memories/correct", json=body)
    assert (corrected.status_code, corrected.json()["user_id"]) == (200, ben.user_id)
    assert ben.contents() == ["Prefers coffee"]
    assert ada.contents() == ["Prefers tea in the morning"]


def test_a_correction_by_query_finds_nothing_of_the_other_one(ada, ben):
    ada.store("Prefers tea in the morning", **SAME)
    body = {"query": "Prefers tea in the morning", "new_content": "taken over"}
    answer = ben.http.post("/v1/memories/correct", json=body)
    assert (answer.status_code, answer.json()["detail"]) == (404, "No matching memory found")
    assert ada.contents() == ["Prefers tea in the morning"]


def test_snapshots_and_branches_are_each_ones_own(ada, ben):
    same_in_both(ada, ben)
    assert ada.http.post("/v1/snapshots", json={"name": "before"}).status_code == 201
    assert ada.http.post("/v1/branches", json={"name": "idea"}).status_code == 201
    assert ada.http.post("/v1/branches/idea/checkout").status_code == 200
    ada.store("only in an idea")
    for method, path in (
        ("GET", "/v1/snapshots/before"),
        ("POST", "/v1/snapshots/before/rollback"),
        ("GET", "/v1/branches/idea/diff"),
        ("POST", "/v1/branches/idea/checkout"),
        ("GET", "/v1/memories?branch=idea"),
    ):
        assert ben.http.request(method, path).status_code == 404, path
    assert "before" not in ben.http.get("/v1/snapshots").text
    assert "idea" not in ben.http.get("/v1/branches").text
    assert ben.contents() == ["Prefers tea in the morning"]


def test_users_at_the_same_time_get_their_own_answers(new_person):
    people = [new_person(f"crowd{n}") for n in range(8)]

    def visit(turn):
        person = people[turn % len(people)]
        person.store(f"note {turn} everybody writes something like", session_id="s1")
        found = person.http.post("/v1/memories/search", json={"query": "something everybody writes"}).json()
        listed = person.http.get("/v1/memories").json()["items"]
        return person.user_id, {item["user_id"] for item in [*found, *listed]}

    turns = list(range(64))
    Random(1).shuffle(turns)
    with ThreadPoolExecutor(16) as pool:
        for user_id, seen in pool.map(visit, turns):
            assert seen == {user_id}


# Ids that look alike


def test_every_spelling_of_an_id_is_a_user_with_a_database_of_its_own(server, ops):
    before = user_databases(server)
    people = {user_id: server.user(user_id) for user_id in STRANGE_IDS}
    for number, (user_id, client) in enumerate(people.items()):
        stored = client.post("/v1/memories", json={"content": f"memory {number}", **SAME})
        assert (stored.status_code, stored.json()["user_id"]) == (201, user_id)
    assert len(user_databases(server) - before) == len(STRANGE_IDS)
    for number, (user_id, client) in enumerate(people.items()):
        for answer in (
            client.get("/v1/memories"),
            ops.get("/v1/memories", params={"user_id": user_id}),
            client.get("/v1/memories", params={"session_id": "s1", "subject_id": "cust-1"}),
        ):
            assert [item["content"] for item in answer.json()["items"]] == [f"memory {number}"]
            assert [item["user_id"] for item in answer.json()["items"]] == [user_id]
        keys = client.get("/auth/keys").json()
        assert [key["user_id"] for key in keys] == [user_id]


# Made-up ids

READS = [
    ("GET", "/v1/memories", None),
    ("GET", "/v1/memories?memory_type=profile&session_id=s1&subject_id=c&trust_tier=T1&limit=3", None),
    ("GET", "/v1/memories?branch=main", None),
    ("GET", "/v1/memories?branch=nowhere", None),
    ("GET", f"/v1/memories/{'0' * 32}", None),
    ("GET", f"/v1/memories/{'0' * 32}/history", None),
    ("GET", "/v1/snapshots", None),
    ("GET", "/v1/snapshots/nothing", None),
    ("GET", "/v1/snapshots/nothing/diff", None),
    ("GET", "/v1/branches", None),
    ("GET", "/v1/branches/nothing/diff", None),
    ("GET", "/v1/branches/nothing/diff-items", None),
    ("POST", "/v1/memories/retrieve", {"query": "anything"}),
    ("POST", "/v1/memories/retrieve", {"query": "anything", "branch": "nowhere"}),
    ("POST", "/v1/memories/search", {"query": "anything"}),
    ("POST", "/v1/memories/correct", {"query": "anything", "new_content": "x"}),
    ("POST", "/v1/memories/purge", {}),
    ("PUT", f"/v1/memories/{'0' * 32}/correct", {"new_content": "x"}),
    ("DELETE", f"/v1/memories/{'0' * 32}", None),
]


@pytest.fixture(scope="module")
def empty_user(server):
    server.user("empty-user")
    return "empty-user"


@pytest.mark.parametrize(("method", "path", "body"), READS)
def test_a_made_up_user_looks_empty_and_is_not_made(server, ops, empty_user, method, path, body):
    before = user_databases(server)
    nobody = ops.request(method, path, json=body, headers={"X-User-Id": "nobody-xyz"})
    assert user_databases(server) == before
    empty = ops.request(method, path, json=body, headers={"X-User-Id": empty_user})
    assert nobody.status_code == empty.status_code
    assert nobody.status_code < 500
    if nobody.headers.get("content-type") == "application/json":
        shown = nobody.json()
        assert shown.keys() == empty.json().keys() if isinstance(shown, dict) else shown == empty.json() == []
        assert shown == empty.json() or "created_at" in nobody.text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/memories", {"content": ""}, 422),
        ("/v1/memories", {"content": "x", "trust_tier": "T9"}, 422),
        ("/v1/memories", {"content": "x", "branch": "nowhere"}, 404),
        ("/v1/memories", {"content": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA"}, 403),
        ("/v1/memories/batch", {"memories": [{"content": "x"}, {"content": "x", "memory_type": "?"}]}, 422),
        ("/v1/branches", {"name": "x" * 101}, 422),
        ("/v1/observe", {"messages": "x"}, 422),
        (
            "/v1/pipeline/run",
            {"candidates": [{"content": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA"}]},
            200,
        ),
    ],
)
def test_a_refused_write_for_a_made_up_user_makes_nothing(server, ops, path, body, status):
    before = user_databases(server)
    answer = ops.post(path, json=body, headers={"X-User-Id": "nobody-writes"})
    assert answer.status_code == status, answer.text
    assert user_databases(server) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/branches/main/checkout", None),
        ("POST", "/v1/branches/b/checkout", None),
        ("DELETE", "/v1/branches/b", None),
        ("POST", "/v1/branches/b/merge", {}),
        ("POST", "/v1/branches/b/refresh", {}),
        ("DELETE", "/v1/snapshots/s", None),
        ("POST", "/v1/snapshots/delete", {"prefix": "s"}),
        ("POST", "/v1/snapshots/s/rollback", None),
        ("PUT", "/v1/feedback/params", {"feedback_weight": 0.5}),
        ("PUT", "/v1/retrieval-params", {"feedback_weight": 0.5}),
        ("POST", "/v1/retrieval-params/tune", None),
        ("POST", "/v1/governance", {"force": True}),
        ("POST", "/v1/consolidate", {"force": True}),
        ("POST", "/v1/reflect", {"force": True, "mode": "candidates"}),
        ("POST", "/v1/extract-entities", {"mode": "candidates"}),
        ("POST", "/v1/extract-entities/link", {"entities": []}),
    ],
)
def test_what_stores_no_memory_makes_no_user(server, ops, method, path, body):
    before = user_databases(server)
    answer = ops.request(method, path, json=body, headers={"X-User-Id": "nobody-does"})
    assert answer.status_code < 500, answer.text
    assert user_databases(server) == before


def test_a_write_for_a_new_user_makes_their_database(server, ops):
    user_id = f"new-{uuid.uuid4().hex[:8]}"
    before = user_databases(server)
    stored = ops.post("/v1/memories", json={"content": "first"}, headers={"X-User-Id": user_id})
    assert (stored.status_code, stored.json()["user_id"]) == (201, user_id)
    assert len(user_databases(server) - before) == 1
    assert [m["content"] for m in server.user(user_id).get("/v1/memories").json()["items"]] == ["first"]


@pytest.mark.parametrize(
    "body", [{"topic": "anything"}, {"session_id": "s1"}, {"memory_ids": ["0" * 32]}], ids=str
)
def test_a_purge_for_a_made_up_user_finds_nothing_and_makes_nothing(server, ops, body):
    before = user_databases(server)
    answer = ops.post("/v1/memories/purge", json=body, headers={"X-Impersonate-User": "nobody-xyz"})
    assert answer.status_code == 200, answer.text
    assert user_databases(server) == before


def test_what_a_made_up_user_was_asked_leaves_no_trace_in_later_answers(server, ops):
    for method, path, body in READS:
        ops.request(method, path, json=body, headers={"X-User-Id": "nobody-later"})
    first = server.user("nobody-later")
    assert first.get("/v1/memories").json() == {"items": [], "next_cursor": None}
    assert [key["name"] for key in first.get("/auth/keys").json()] == ["test"]


# Suspended users


def suspend(server, user_id, service="user_suspend"):
    code = f"from apps.tenancy.services.lifecycle import {service} as move; move(user_id={user_id!r})"
    server.manage("shell", "-c", code)


def test_a_suspended_user_is_shut_out_of_every_route_and_loses_nothing(server, ada, ben, ops):
    memory_id = ada.store("Prefers tea in the morning")["memory_id"]
    ada.http.post("/v1/snapshots", json={"name": "before"})
    ada.http.post("/v1/branches", json={"name": "idea"})
    key_id = ada.http.get("/auth/keys").json()[0]["key_id"]
    routes = [
        ("GET", "/v1/memories", None),
        ("POST", "/v1/memories", {"content": "x"}),
        ("POST", "/v1/memories/batch", {"memories": [{"content": "x"}]}),
        ("POST", "/v1/memories/retrieve", {"query": "tea"}),
        ("POST", "/v1/memories/search", {"query": "tea"}),
        ("POST", "/v1/memories/correct", {"query": "tea", "new_content": "x"}),
        ("POST", "/v1/memories/purge", {"topic": "Prefers"}),
        ("GET", f"/v1/memories/{memory_id}", None),
        ("GET", f"/v1/memories/{memory_id}/history", None),
        ("PUT", f"/v1/memories/{memory_id}/correct", {"new_content": "x"}),
        ("DELETE", f"/v1/memories/{memory_id}", None),
        ("GET", "/v1/snapshots", None),
        ("POST", "/v1/snapshots", {"name": "x"}),
        ("POST", "/v1/snapshots/delete", {"names": "before"}),
        ("GET", "/v1/snapshots/before", None),
        ("GET", "/v1/snapshots/before/diff", None),
        ("POST", "/v1/snapshots/before/rollback", None),
        ("DELETE", "/v1/snapshots/before", None),
        ("GET", "/v1/branches", None),
        ("POST", "/v1/branches", {"name": "x"}),
        ("POST", "/v1/branches/idea/checkout", None),
        ("GET", "/v1/branches/idea/diff", None),
        ("GET", "/v1/branches/idea/diff-items", None),
        ("POST", "/v1/branches/idea/merge", {}),
        ("POST", "/v1/branches/idea/pick", {}),
        ("POST", "/v1/branches/idea/apply", {}),
        ("DELETE", "/v1/branches/idea", None),
        ("GET", "/auth/keys", None),
        ("GET", f"/auth/keys/{key_id}", None),
        ("PUT", f"/auth/keys/{key_id}/rotate", None),
        ("DELETE", f"/auth/keys/{key_id}", None),
    ]
    suspend(server, ada.user_id)
    as_ada = {"X-User-Id": ada.user_id}
    for method, path, body in routes:
        answer = ada.http.request(method, path, json=body)
        assert (answer.status_code, "tea" in answer.text) == (403, False), (method, path, answer.text)
        if path.startswith("/v1/"):
            answer = ops.request(method, path, json=body, headers=as_ada)
            assert (answer.status_code, "tea" in answer.text) == (403, False), (method, path, answer.text)
    assert ops.post("/auth/keys", json={"user_id": ada.user_id, "name": "x"}).status_code == 403
    assert ops.get(f"/v1/memories/{memory_id}").status_code in (403, 404)
    assert ben.http.get("/v1/memories").status_code == 200

    suspend(server, ada.user_id, "user_reactivate")
    assert ids(ada.http.get("/v1/memories")) == [memory_id]
    assert len(ada.http.get("/auth/keys").json()) == 1
    assert ada.http.get("/v1/snapshots/before").status_code == 200
    names = [branch["name"] for branch in ada.http.get("/v1/branches").json()["branches"]]
    assert sorted(names) == ["idea", "main"]
