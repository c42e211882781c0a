"""Callers and their keys: the master key, identity headers and the life cycle of API keys (sections 1.5, 1.6, 11)."""

import hashlib
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests import engine
from tests.contract.test_isolation import user_databases
from tests.running import start_server

KEY_FIELDS = {
    "key_id",
    "user_id",
    "group_id",
    "name",
    "key_prefix",
    "created_at",
    "expires_at",
    "last_used_at",
}
NAIVE_UTC = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?"
UNKNOWN_KEY = "6d0bb0a5-7a3c-4d56-9a53-55e0f5c1a2b3"
ROUTES = [
    ("GET", "/v1/memories"),
    ("POST", "/v1/memories"),
    ("POST", "/v1/memories/batch"),
    ("POST", "/v1/memories/retrieve"),
    ("POST", "/v1/memories/search"),
    ("POST", "/v1/memories/correct"),
    ("POST", "/v1/memories/purge"),
    ("GET", f"/v1/memories/{'0' * 32}"),
    ("DELETE", f"/v1/memories/{'0' * 32}"),
    ("PUT", f"/v1/memories/{'0' * 32}/correct"),
    ("GET", f"/v1/memories/{'0' * 32}/history"),
    ("GET", "/v1/snapshots"),
    ("POST", "/v1/snapshots"),
    ("POST", "/v1/snapshots/delete"),
    ("GET", "/v1/snapshots/s"),
    ("DELETE", "/v1/snapshots/s"),
    ("GET", "/v1/snapshots/s/diff"),
    ("POST", "/v1/snapshots/s/rollback"),
    ("GET", "/v1/branches"),
    ("POST", "/v1/branches"),
    ("POST", "/v1/branches/b/checkout"),
    ("GET", "/v1/branches/b/diff"),
    ("GET", "/v1/branches/b/diff-items"),
    ("POST", "/v1/branches/b/merge"),
    ("POST", "/v1/branches/b/pick"),
    ("POST", "/v1/branches/b/apply"),
    ("DELETE", "/v1/branches/b"),
    ("POST", "/auth/keys"),
    ("GET", "/auth/keys"),
    ("GET", f"/auth/keys/{UNKNOWN_KEY}"),
    ("PUT", f"/auth/keys/{UNKNOWN_KEY}/rotate"),
    ("DELETE", f"/auth/keys/{UNKNOWN_KEY}"),
]


def refused(answer):
    """The text of a 401."""
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    body = answer.json()
    assert set(body) == {"detail", "code"}
    return body["detail"]


@pytest.fixture(scope="module")
def caller(server):
    """Send one request with the given Authorization header, or with none."""
    client = server.client("")

    def send(authorization=None, method="GET", path="/v1/memories", **more):
        headers = {"Authorization": authorization} if authorization is not None else {}
        return client.request(method, path, headers={**headers, **more.pop("headers", {})}, **more)

    return send


def create_key(ops, user_id, name="laptop", **fields):
    answer = ops.post("/auth/keys", json={"user_id": user_id, "name": name, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


# Credentials


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_needs_a_caller(caller, method, path):
    assert refused(caller(None, method, path)) == "Missing Bearer token"
    assert refused(caller(f"Bearer sk-{'0' * 32}", method, path)) == "Invalid token"


@pytest.mark.parametrize(
    "form",
    ["bearer {}", "BEARER {}", "Bearer  {}", "Bearer\t{}", "Basic {}", "Token {}", "Bearer", "{}", ""],
)
def test_only_the_exact_scheme_and_one_space_carry_a_token(server, caller, form):
    assert refused(caller(form.format(server.master_key))) == "Missing Bearer token"


@pytest.mark.parametrize(
    "token",
    [
        "sk-",
        "sk-" + "f" * 32,
        "x",
        "x" * 4000,
        "two words",
        "contract-master-key-012345678",
        "contract-master-key-01234567890",
        "CONTRACT-MASTER-KEY-0123456789",
        "' OR 1=1 --",
        "%00",
        "Bearer x",
        "undefined",
    ],
)
def test_a_token_nobody_has_is_invalid(caller, token):
    assert refused(caller(f"Bearer {token}".encode())) == "Invalid token"


@pytest.mark.parametrize("token", [b"\xff\xfe\xe9", "schlüssel-é-钥匙-🔑".encode()])
def test_a_token_that_is_not_ascii_opens_nothing(caller, token):
    assert refused(caller(b"Bearer " + token)) in ("Invalid token", "Missing Bearer token")


def test_the_token_is_checked_before_the_body(caller):
    for authorization, text in ((None, "Missing Bearer token"), ("Bearer nobody", "Invalid token")):
        assert refused(caller(authorization, "POST", content="{")) == text


# Who a master caller is


def test_a_master_caller_acts_as_default_unless_told_otherwise(ops):
    memory = ops.post("/v1/memories", json={"content": "said by nobody in particular"}).json()
    assert memory["user_id"] == "default"


@pytest.mark.parametrize("header", ["X-User-Id", "X-Impersonate-User", "x-user-id"])
def test_a_master_caller_names_the_user_in_a_header(ada, ops, header):
    ada.store("Prefers tea")
    page = ops.get("/v1/memories", headers={header: ada.user_id}).json()
    assert [item["user_id"] for item in page["items"]] == [ada.user_id]


def test_a_master_caller_names_the_user_in_the_query(ada, ops):
    ada.store("Prefers tea")
    page = ops.get("/v1/memories", params={"user_id": ada.user_id}).json()
    assert [item["user_id"] for item in page["items"]] == [ada.user_id]


def test_x_user_id_beats_x_impersonate_user_beats_the_query(server, ada, ben, ops):
    ada.store("of ada")
    ben.store("of ben")
    read = lambda headers, **query: [  # noqa: E731
        item["content"] for item in ops.get("/v1/memories", headers=headers, params=query).json()["items"]
    ]
    assert read({"X-Impersonate-User": ada.user_id, "X-User-Id": ben.user_id}) == ["of ben"]
    assert read({"X-Impersonate-User": ada.user_id}, user_id=ben.user_id) == ["of ada"]
    assert read({"X-User-Id": ada.user_id}, user_id=ben.user_id) == ["of ada"]


@pytest.mark.parametrize("header", ["X-User-Id", "X-Impersonate-User"])
def test_an_empty_identity_header_is_refused(ada, ops, header):
    """An empty name is nobody's, and it is what an unreadable header looks like: never the default user."""
    answer = ops.post("/v1/memories", json={"content": "x"}, headers={header: ""})
    assert answer.status_code == 422
    assert "user_id=" in answer.json()["detail"]
    assert ada.http.get("/v1/memories", headers={header: ""}).status_code == 200  # a key names its own user


def test_a_blank_user_in_the_query_counts_as_absent(ops):
    answer = ops.post("/v1/memories", json={"content": "x"}, params={"user_id": ""})
    assert answer.json()["user_id"] == "default"


def test_a_master_store_makes_the_user_it_names(server, ops):
    before = len(user_databases(server))
    headers = {"X-Impersonate-User": "made-by-a-master-store"}
    stored = ops.post("/v1/memories", json={"content": "x", "source": "bench"}, headers=headers)
    assert (stored.status_code, stored.json()["user_id"]) == (201, "made-by-a-master-store")
    assert len(user_databases(server)) == before + 1


@pytest.mark.parametrize(
    "user_id",
    ["x" * 65, "grp_0123456789ab", "group:x", b"\xff\xfe", b"\xed\xa0\x80"],
    ids=["65", "grp", "group", "latin-1", "surrogate"],
)
def test_key_owners_cannot_be_somebody_else_whatever_they_send(ada, ben, user_id):
    ada.store("of ada")
    ben.store("of ben")
    for headers in (
        {"X-User-Id": ben.user_id, "X-Impersonate-User": ben.user_id},
        {"X-User-Id": user_id},
        {"X-Impersonate-User": user_id},
    ):
        answer = ada.http.get("/v1/memories", headers=headers, params={"user_id": ben.user_id})
        assert answer.status_code == 200, answer.text
        assert [item["content"] for item in answer.json()["items"]] == ["of ada"]


@pytest.mark.parametrize(
    "user_id",
    ["x" * 65, "é" * 65, b"a\xffb", b"\xed\xa0\x80"],
    ids=["65", "65-accents", "latin-1", "surrogate"],
)
@pytest.mark.parametrize("header", ["X-User-Id", "X-Impersonate-User"])
def test_a_master_caller_cannot_name_an_impossible_user(server, ops, header, user_id):
    before = user_databases(server)
    value = user_id if isinstance(user_id, bytes) else user_id.encode()
    answer = ops.post("/v1/memories", json={"content": "x"}, headers={header: value})
    assert answer.status_code == 422, answer.text
    assert user_databases(server) == before


@pytest.mark.parametrize("user_id", ["é", "钥匙", "🔑"])
def test_a_user_named_in_a_header_is_never_taken_for_the_default_one(ops, user_id):
    answer = ops.post("/v1/memories", json={"content": "x"}, headers={"X-User-Id": user_id.encode()})
    assert answer.status_code == 422 or answer.json()["user_id"] == user_id


def test_a_user_in_the_query_that_is_not_utf8_is_refused(ops):
    """Else every such id would be one and the same user."""
    assert ops.get("/v1/memories?user_id=%ff").status_code in (400, 422)


# Creating keys


def test_a_new_key_has_the_documented_form_and_works(server, new_person, ops):
    user_id = new_person("ada").user_id
    key = create_key(ops, user_id)
    assert set(key) == KEY_FIELDS | {"raw_key"}
    assert re.fullmatch(r"sk-[0-9a-f]{32}", key["raw_key"])
    assert key["key_prefix"] == key["raw_key"][:12]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", key["key_id"])
    assert re.fullmatch(NAIVE_UTC, key["created_at"])
    assert (key["user_id"], key["name"]) == (user_id, "laptop")
    assert (key["group_id"], key["expires_at"], key["last_used_at"]) == (None, None, None)
    assert server.client(key["raw_key"]).get("/v1/memories").status_code == 200


def test_two_keys_of_a_user_open_the_same_memories(server, ada, ops):
    ada.store("Prefers tea")
    other = server.client(create_key(ops, ada.user_id)["raw_key"])
    assert [item["content"] for item in other.get("/v1/memories").json()["items"]] == ["Prefers tea"]


def test_only_a_master_caller_creates_keys(ada, ben):
    for user_id in (ada.user_id, ben.user_id):
        answer = ada.http.post("/auth/keys", json={"user_id": user_id, "name": "x"})
        assert (answer.status_code, answer.json()["detail"]) == (403, "Master key required")
    assert len(ada.http.get("/auth/keys").json()) == 1


def test_a_broken_body_is_said_before_the_master_key_is_asked_for(ada):
    assert ada.http.post("/auth/keys", json={"user_id": "x"}).status_code == 422
    broken = ada.http.post("/auth/keys", content="{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400
    assert ada.http.post("/auth/keys", content="x=1").status_code == 415


@pytest.mark.parametrize(
    "name",
    [
        "Küche ☕ 厨房",
        "'; DROP TABLE mem_api_keys; --",
        '"><script>alert(1)</script>',
        "two\nlines\tand\ttabs",
        "back\\slash %s {0}",
        "  padded  ",
        "👩‍👩‍👧‍👦" * 14,
        "x" * 100,
        "\u202eright to left",
        "null",
    ],
    ids="unicode sql html blanks escapes padded emoji longest direction null".split(),
)
def test_a_key_keeps_its_name_as_given(ops, new_person, name):
    person = new_person("ada")
    key = create_key(ops, person.user_id, name)
    assert key["name"] == name
    assert ops.get(f"/auth/keys/{key['key_id']}").json()["name"] == name
    assert person.http.get("/auth/keys").json()[0]["name"] == name


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "x" * 101}, 422),
        ({"name": None}, 422),
        ({"name": 5}, 422),
        ({"user_id": 5}, 422),
        ({"user_id": None}, 422),
        ({"expires_at": "tomorrow"}, 422),
        ({"expires_at": ""}, 422),
        ({"expires_at": "2026-13-01 00:00:00"}, 422),
        ({"expires_at": "2026-02-30 00:00:00"}, 422),
        ({"expires_at": 1790000000}, 422),
    ],
)
def test_a_key_with_a_bad_field_is_refused(ada, ops, fields, status):
    answer = ops.post("/auth/keys", json={"user_id": ada.user_id, "name": "x", **fields})
    assert answer.status_code == status, answer.text
    assert len(ada.http.get("/auth/keys").json()) == 1


def test_a_field_given_twice_is_refused(ada, ben, ops):
    body = f'{{"user_id": "{ada.user_id}", "user_id": "{ben.user_id}", "name": "x"}}'
    answer = ops.post("/auth/keys", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    ("user_id", "status"),
    [
        ('""', 422),
        (f'"{"x" * 65}"', 422),
        (f'"{"é" * 65}"', 422),
        ('"grp_x"', 422),
        ('"group:x"', 422),
        (r'"a\u0000b"', 422),
        (r'"\ud800"', 400),  # not JSON text that could be anybody's id
        (r'"a\udc00b"', 400),
    ],
)
def test_an_impossible_user_id_is_refused_and_nothing_is_made(server, ops, user_id, status):
    before = user_databases(server)
    body = f'{{"user_id": {user_id}, "name": "x"}}'
    answer = ops.post("/auth/keys", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["code"]
    assert user_databases(server) == before


# Reading keys


def test_keys_are_listed_newest_first_for_their_user_only(ada, ben, ops):
    for name in ("second", "third"):
        create_key(ops, ada.user_id, name)
    names = [key["name"] for key in ada.http.get("/auth/keys").json()]
    assert names == ["third", "second", "test"]
    as_master = ops.get("/auth/keys", headers={"X-User-Id": ada.user_id})
    assert [key["name"] for key in as_master.json()] == names
    assert all(set(key) == KEY_FIELDS for key in as_master.json())
    assert [key["user_id"] for key in ben.http.get("/auth/keys").json()] == [ben.user_id]


def test_a_key_is_read_by_its_owner_and_by_a_master_caller(ada, ben, ops):
    key = create_key(ops, ada.user_id, expires_at="2099-01-02 03:04:05")
    path = f"/auth/keys/{key['key_id']}"
    shown = {name: key[name] for name in KEY_FIELDS}
    for client in (ada.http, ops):
        answer = client.get(path)
        assert (answer.status_code, set(answer.json())) == (200, KEY_FIELDS)
        assert answer.json()["created_at"] == shown["created_at"]
        assert answer.json()["expires_at"].startswith("2099-01-02 03:04:05")
    assert ben.http.get(path).status_code == 403
    assert ben.http.get(path).json()["detail"] == "Not your key"


@pytest.mark.parametrize(
    "key_id", [UNKNOWN_KEY, "nope", "x" * 300, "%F0%9F%98%80", "%00", "'%20OR%201=1%20--", "%25", "_"]
)
def test_an_unknown_key_is_not_found(ada, ops, key_id):
    for client in (ada.http, ops):
        for method, path in (
            ("GET", f"/auth/keys/{key_id}"),
            ("PUT", f"/auth/keys/{key_id}/rotate"),
            ("DELETE", f"/auth/keys/{key_id}"),
        ):
            answer = client.request(method, path)
            assert (answer.status_code, answer.json()["detail"]) == (404, "Key not found")


def test_a_path_that_is_not_utf8_names_nothing(ops):
    assert ops.get("/auth/keys/%ff").status_code in (400, 404)


def test_the_last_use_of_a_key_is_shown_within_seconds(ada):
    assert ada.http.get("/v1/memories").status_code == 200
    deadline = time.monotonic() + 12
    while (used := ada.http.get("/auth/keys").json()[0]["last_used_at"]) is None:
        assert time.monotonic() < deadline, "last_used_at is still null"
        time.sleep(0.2)
    assert re.fullmatch(NAIVE_UTC, used)


def test_a_server_that_is_stopped_writes_what_it_still_holds(tmp_path):
    url = None
    if engine.SERVER is not None:
        engine.SERVER.execute("CREATE DATABASE IF NOT EXISTS memoria_stopped")
        url = engine.SERVER.url("memoria_stopped")
    first = start_server(tmp_path, database_url=url)
    try:
        assert first.user("ada").get("/v1/memories").status_code == 200
    finally:
        first.stop()
    second = start_server(tmp_path, database_url=url)
    try:
        (key,) = second.client().get("/auth/keys", params={"user_id": "ada"}).json()
        assert key["last_used_at"] is not None
    finally:
        second.stop()


# Rotating


def test_a_rotated_key_is_replaced_at_once(server, ada, ops):
    old = create_key(ops, ada.user_id, "ci", expires_at="2099-01-02 03:04:05")
    client = server.client(old["raw_key"])
    answer = client.put(f"/auth/keys/{old['key_id']}/rotate", content="ignored")
    new = answer.json()
    assert (answer.status_code, set(new)) == (201, KEY_FIELDS | {"raw_key"})
    assert new["key_id"] != old["key_id"]
    assert new["raw_key"] != old["raw_key"]
    assert new["key_prefix"] == new["raw_key"][:12]
    assert (new["user_id"], new["name"]) == (ada.user_id, "ci")
    assert new["expires_at"].startswith("2099-01-02 03:04:05")
    assert refused(client.get("/v1/memories")) == "Invalid token"
    assert server.client(new["raw_key"]).get("/v1/memories").status_code == 200
    listed = [key["key_id"] for key in ada.http.get("/auth/keys").json()]
    assert new["key_id"] in listed
    assert old["key_id"] not in listed
    for method, path in (("GET", ""), ("PUT", "/rotate")):
        gone = ada.http.request(method, f"/auth/keys/{old['key_id']}{path}")
        assert (gone.status_code, gone.json()["detail"]) == (404, "Key not found")


def test_a_master_caller_rotates_any_key_and_strangers_none(server, ada, ben, ops):
    key = create_key(ops, ada.user_id)
    path = f"/auth/keys/{key['key_id']}/rotate"
    stranger = ben.http.put(path)
    assert (stranger.status_code, stranger.json()["detail"]) == (403, "Not your key")
    assert server.client(key["raw_key"]).get("/v1/memories").status_code == 200
    assert ops.put(path).status_code == 201


# Revoking and expiry


def test_a_revoked_key_is_refused_at_once(server, ada, ops):
    key = create_key(ops, ada.user_id)
    client, path = server.client(key["raw_key"]), f"/auth/keys/{key['key_id']}"
    assert client.get("/v1/memories").status_code == 200
    assert client.delete(path).status_code == 204
    assert refused(client.get("/v1/memories")) == "Invalid token"
    assert refused(client.post("/v1/memories", json={"content": "x"})) == "Invalid token"
    assert ada.contents() == []
    assert ops.delete(path).status_code == 204
    assert ada.http.delete(path).status_code == 204
    assert ada.http.get(path).status_code == 404
    assert key["key_id"] not in [each["key_id"] for each in ada.http.get("/auth/keys").json()]


def test_strangers_cannot_revoke_a_key(server, ada, ben, ops):
    key = create_key(ops, ada.user_id)
    answer = ben.http.delete(f"/auth/keys/{key['key_id']}")
    assert (answer.status_code, answer.json()["detail"]) == (403, "Not your key")
    assert server.client(key["raw_key"]).get("/v1/memories").status_code == 200


def test_a_key_expires_on_the_second(server, ada, ops):
    expires_at = datetime.now(UTC) + timedelta(seconds=2)
    text = f"{expires_at:%Y-%m-%d %H:%M:%S}"
    key = create_key(ops, ada.user_id, expires_at=text)
    assert key["expires_at"] == text
    client = server.client(key["raw_key"])
    assert client.get("/v1/memories").status_code == 200
    time.sleep(max(0, (expires_at - datetime.now(UTC)).total_seconds()))
    assert refused(client.get("/v1/memories")) == "Invalid token"


def test_a_key_that_expired_before_it_was_made_never_works(server, ada, ops):
    key = create_key(ops, ada.user_id, expires_at="2001-01-01 00:00:00")
    assert refused(server.client(key["raw_key"]).get("/v1/memories")) == "Invalid token"


# Secrets


def test_no_key_or_hash_is_ever_shown_again(server, caller, ada, ops):
    key = create_key(ops, ada.user_id)
    secret, path = key["raw_key"], f"/auth/keys/{key['key_id']}"
    own = server.client(secret)
    answers = [
        own.get("/auth/keys"),
        own.get(path),
        ops.get(path),
        ops.get("/auth/keys", headers={"X-User-Id": ada.user_id}),
        own.post("/auth/keys", json={"user_id": "x", "name": "x"}),
        own.post("/v1/memories", content=b"{"),
        own.get("/v1/memories", params={"trust_tier": "T9"}),
        own.delete(path),
        own.get("/auth/keys"),
        caller(f"Basic {secret}", path="/auth/keys"),
        ops.get(path),
    ]
    shown = [answer.text + str(answer.headers) for answer in answers]
    shown.append(server.log.read_text(errors="replace"))
    for text in shown:
        assert secret not in text
        assert hashlib.sha256(secret.encode()).hexdigest() not in text
        assert server.master_key not in text


def test_a_key_for_a_group_is_refused_rather_than_made_personal(ops):
    answer = ops.post("/auth/keys", json={"user_id": "u", "name": "n", "group_id": "grp_0123456789ab"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "Group not found: grp_0123456789ab")
