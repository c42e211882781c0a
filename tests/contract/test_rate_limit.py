"""Requests per key and window: section 1.7, with 429 and Retry-After instead of the reference's 401.

The window is an hour, not a minute, so that no test meets the end of one.
"""

import time

import pytest

from tests import engine
from tests.running import start_server
from tests.servers import start_redis

LIMIT, WINDOW = 5, 3600


def own_server(data, **settings):
    """A server with a control plane of its own; servers with the same folder share it."""
    url = None
    if engine.SERVER is not None:
        name = f"memoria_{data.name}".replace("-", "_")
        engine.SERVER.execute(f"CREATE DATABASE IF NOT EXISTS {name}")
        url = engine.SERVER.url(name)
    return start_server(data, database_url=url, **settings)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = own_server(tmp_path_factory.mktemp("limited"), MEMORIA_RATE_LIMIT_AUTH_KEYS=f"{LIMIT},{WINDOW}")
    yield running
    running.stop()


def use_up(client):
    return [client.get("/v1/memories").status_code for _ in range(LIMIT)]


def assert_limited(answer, window=WINDOW):
    assert answer.status_code == 429, answer.text
    assert 1 <= int(answer.headers["retry-after"]) <= window
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json()) == {"detail", "code"}


def test_the_request_after_the_last_allowed_one_waits(ada):
    assert use_up(ada.http) == [200] * LIMIT
    assert_limited(ada.http.get("/v1/memories"))


def test_all_routes_count_together_and_a_refused_request_does_nothing(ada, ops):
    for answer in (
        ada.http.post("/v1/memories", json={"content": "kept"}),
        ada.http.post("/v1/memories/retrieve", json={"query": "kept"}),
        ada.http.get("/auth/keys"),
        ada.http.get("/v1/memories/0"),
        ada.http.post("/v1/memories", json={}),
    ):
        assert answer.status_code != 429
    assert_limited(ada.http.post("/v1/memories", json={"content": "refused"}))
    kept = ops.get("/v1/memories", headers={"X-User-Id": ada.user_id}).json()["items"]
    assert [item["content"] for item in kept] == ["kept"]


def test_other_keys_and_the_master_key_are_not_affected(server, ada, ben, ops):
    use_up(ada.http)
    assert_limited(ada.http.get("/v1/memories"))
    assert ben.http.get("/v1/memories").status_code == 200
    assert server.user(ada.user_id, "another key").get("/v1/memories").status_code == 200
    assert {ops.get("/v1/memories").status_code for _ in range(4 * LIMIT)} == {200}


def test_liveness_is_never_limited(ada):
    use_up(ada.http)
    assert_limited(ada.http.get("/v1/memories"))
    assert {ada.http.get("/health").status_code for _ in range(4 * LIMIT)} == {200}
    assert ada.http.get("/health/instance").status_code == 200


def test_unknown_tokens_are_limited_too(server):
    guess = server.client("sk-" + "0" * 32)
    assert use_up(guess) == [401] * LIMIT
    assert_limited(guess.get("/v1/memories"))
    assert server.client("sk-" + "1" * 32).get("/v1/memories").status_code == 401


def test_after_the_announced_wait_requests_pass_again(tmp_path):
    server = own_server(tmp_path / "short", MEMORIA_RATE_LIMIT_AUTH_KEYS="2,1")
    try:
        client = server.user("ada")
        while (answer := client.get("/v1/memories")).status_code == 200:
            pass
        assert_limited(answer, window=2)
        time.sleep(int(answer.headers["retry-after"]))
        assert client.get("/v1/memories").status_code == 200
    finally:
        server.stop()


def test_processes_of_one_server_share_the_limit(tmp_path):
    server = own_server(tmp_path / "two", MEMORIA_RATE_LIMIT_AUTH_KEYS=f"{LIMIT},{WINDOW}", MEMORIA_WORKERS=2)
    try:
        key = server.user("ada").headers["authorization"].removeprefix("Bearer ")
        connections = [server.client(key) for _ in range(30)]  # the kernel gives them to either process
        codes = [connection.get("/v1/memories").status_code for connection in connections]
        assert codes == [200] * LIMIT + [429] * (30 - LIMIT)
    finally:
        server.stop()


def test_processes_that_share_redis_share_the_limit(tmp_path):
    redis = start_redis()
    settings = {"MEMORIA_RATE_LIMIT_AUTH_KEYS": f"{LIMIT},{WINDOW}", "MEMORIA_REDIS_URL": redis.url}
    servers = [own_server(tmp_path / "shared", **settings) for _ in range(2)]
    try:
        first = servers[0].user("ada")
        second = servers[1].client(first.headers["authorization"].removeprefix("Bearer "))
        clients = [first, second, first, second, second]
        assert [client.get("/v1/memories").status_code for client in clients] == [200] * LIMIT
        for client in (first, second):
            assert_limited(client.get("/v1/memories"))
        assert servers[1].user("ben").get("/v1/memories").status_code == 200
    finally:
        for server in servers:
            server.stop()
        redis.stop()
