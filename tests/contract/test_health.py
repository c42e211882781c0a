"""Liveness, readiness, the schema, and how failures look from outside: sections 1.1, 3 and 19."""

import re
import sqlite3
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
import yaml
from drf_spectacular.validation import validate_schema

from tests import engine
from tests.contract.test_isolation import user_databases
from tests.contract.test_rate_limit import own_server
from tests.running import start_server
from tests.servers import start_mariadb

# Endpoint index of the contract (section 2); paths the server does not have yet are left out of the check.
CONTRACT = {
    "/health": "GET",
    "/health/instance": "GET",
    "/metrics": "GET",
    "/mcp": "POST",
    "/v1/memories": "GET POST",
    "/v1/memories/batch": "POST",
    "/v1/memories/query": "POST",
    "/v1/memories/fulltext-search": "POST",
    "/v1/memories/retrieve": "POST",
    "/v1/memories/search": "POST",
    "/v1/memories/correct": "POST",
    "/v1/memories/purge": "POST",
    "/v1/memories/{}": "GET DELETE",
    "/v1/memories/{}/correct": "PUT",
    "/v1/memories/{}/history": "GET",
    "/v1/memories/{}/feedback": "POST",
    "/v1/observe": "POST",
    "/v1/profiles/{}": "GET",
    "/v1/pipeline/run": "POST",
    "/v1/sessions/{}/summary": "POST",
    "/v1/tasks/{}": "GET",
    "/v1/feedback/stats": "GET",
    "/v1/feedback/by-tier": "GET",
    "/v1/retrieval-params": "GET PUT",
    "/v1/retrieval-params/tune": "POST",
    "/v1/tool-usage": "GET",
    "/v1/governance": "POST",
    "/v1/consolidate": "POST",
    "/v1/reflect": "POST",
    "/v1/extract-entities": "POST",
    "/v1/extract-entities/link": "POST",
    "/v1/entities": "GET",
    "/v1/snapshots": "GET POST",
    "/v1/snapshots/delete": "POST",
    "/v1/snapshots/{}": "GET DELETE",
    "/v1/snapshots/{}/diff": "GET",
    "/v1/snapshots/{}/rollback": "POST",
    "/v1/branches": "GET POST",
    "/v1/branches/{}": "DELETE",
    "/v1/branches/{}/checkout": "POST",
    "/v1/branches/{}/diff": "GET",
    "/v1/branches/{}/diff-items": "GET",
    "/v1/branches/{}/merge": "POST",
    "/v1/branches/{}/pick": "POST",
    "/v1/branches/{}/apply": "POST",
    "/v1/groups": "GET POST",
    "/v1/groups/{}": "GET DELETE",
    "/v1/groups/{}/members/{}": "POST DELETE",
    "/auth/keys": "GET POST",
    "/auth/keys/{}": "GET DELETE",
    "/auth/keys/{}/rotate": "PUT",
    "/v1/health/analyze": "GET",
    "/v1/health/storage": "GET",
    "/v1/health/capacity": "GET",
    "/v1/health/hygiene": "GET",
    "/admin/health/hygiene": "GET",
    "/admin/stats": "GET",
    "/admin/config": "GET",
    "/admin/users": "GET",
    "/admin/users/{}": "DELETE",
    "/admin/users/{}/stats": "GET",
    "/admin/users/{}/branch-stats": "GET",
    "/admin/users/{}/call-stats": "GET",
    "/admin/users/{}/keys": "GET DELETE",
    "/admin/users/{}/params": "POST",
    "/admin/users/{}/reset-access-counts": "POST",
    "/admin/users/{}/strategy": "POST",
    "/admin/governance/{}/trigger": "POST",
    "/admin/plugins": "GET POST",
    "/admin/plugins/signers": "GET POST",
    "/admin/plugins/{}/{}/review": "POST",
    "/admin/plugins/{}/{}/score": "POST",
    "/admin/plugins/domains/{}/bindings": "GET POST",
    "/admin/plugins/domains/{}/activate": "POST",
    "/admin/plugins/matrix": "GET",
    "/admin/plugins/events": "GET",
}
TRACES = (
    "Traceback",
    'File "',
    ".py",
    "mem_memories",
    "mem_u_",
    "SELECT",
    "sqlite",
    "mysql",
    "Operational",
    "Programming",
)


@pytest.fixture(scope="module")
def anybody(server):
    return server.client("")


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """Another server, for failures that must not reach the other tests."""
    running = own_server(tmp_path_factory.mktemp("second"), MEMORIA_INSTANCE_ID="node-a")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def schema(anybody):
    answer = anybody.get("/api/schema")
    assert answer.status_code == 200
    return yaml.safe_load(answer.text)


def assert_clean(answer):
    """An error for the world: JSON, with nothing of the inside in it."""
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json()) == {"detail", "code"}
    assert not [trace for trace in TRACES if trace in answer.text]
    assert answer.headers["x-request-id"]


# Liveness and readiness


def test_health_is_the_text_ok(anybody):
    for headers in ({}, {"Authorization": "Bearer nobody"}, {"Accept": "application/xml"}):
        answer = anybody.get("/health", headers=headers)
        assert (answer.status_code, answer.text) == (200, "ok")
        assert answer.headers["content-type"].startswith("text/plain")
    head = anybody.head("/health")
    assert (head.status_code, head.text) == (200, "")


def test_readiness_names_the_instance(anybody):
    answer = anybody.get("/health/instance")
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "instance_id", "db", "embedding"}
    assert (answer.json()["status"], answer.json()["db"]) == ("ok", True)
    assert re.fullmatch(r"[0-9a-f]+-\d+", answer.json()["instance_id"])
    assert anybody.get("/health/instance").json() == answer.json()


def test_two_servers_have_two_ids(anybody, second):
    named = second.client("").get("/health/instance").json()["instance_id"]
    assert re.fullmatch(r"node-a-\d+", named)
    assert named != anybody.get("/health/instance").json()["instance_id"]


@pytest.mark.mysql_only(reason="a control plane that can go away")
def test_without_its_control_database_the_server_is_degraded(tmp_path):
    database = start_mariadb()
    database.execute("CREATE DATABASE memoria")
    server = start_server(tmp_path, database_url=database.url("memoria"))
    try:
        ada, anybody = server.user("ada"), server.client("")
        healthy = anybody.get("/health/instance").json()
        database.stop()
        answer = anybody.get("/health/instance")
        assert answer.status_code == 503
        assert answer.json() == {**healthy, "status": "degraded", "db": False}
        assert anybody.get("/health").text == "ok"
        for client in (ada, server.client()):
            refused = client.get("/v1/memories")
            assert refused.status_code == 503
            assert_clean(refused)
            assert database.password not in refused.text
    finally:
        server.stop()
        database.stop()


# Failures


def break_memories(server, database):
    """Take the table of memories away from one user."""
    if engine.SERVER is not None:
        engine.SERVER.execute(f"SET foreign_key_checks = 0; DROP TABLE {database}.mem_memories")
        return
    users = Path(server.environment["MEMORIA_DATA_DIR"], "users")
    (path,) = users.rglob(database)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE mem_memories")
    connection.commit()
    connection.close()


def test_a_failure_inside_shows_no_trace_and_hits_nobody_else(second):
    ben, before = second.user("ben"), user_databases(second)
    ada = second.user("ada")
    (database,) = user_databases(second) - before
    break_memories(second, database)
    for answer in (
        ada.get("/v1/memories"),
        ada.post("/v1/memories", json={"content": "x"}),
        ada.post("/v1/memories/retrieve", json={"query": "x"}),
    ):
        assert answer.status_code in (500, 503)
        assert_clean(answer)
    assert ben.get("/v1/memories").status_code == 200
    assert second.client("").get("/health/instance").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/health/", 404),
        ("GET", "/v1/memories/", 404),
        ("GET", "/v1/memories", 401),
        ("POST", "/health", 405),
        ("OPTIONS", "/health", 405),
        ("POST", "/health/instance", 405),
        ("PATCH", "/auth/keys", 405),
    ],
)
def test_every_refusal_is_json_with_a_request_id(anybody, method, path, status):
    answer = anybody.request(method, path)
    assert answer.status_code == status
    assert_clean(answer)


def test_a_refused_upload_leaves_a_connection_that_can_be_used_again(server):
    """Clients keep connections: one that is closed without a word fails whatever they send next."""
    for _ in range(10):
        with closing(HTTPConnection(server.url.removeprefix("http://"), timeout=10)) as connection:
            connection.putrequest("POST", "/v1/memories")
            connection.putheader("Content-Length", "10")
            connection.endheaders()
            refused = connection.getresponse()
            assert (refused.status, refused.read()[:1]) == (401, b"{")
            if not refused.will_close:
                time.sleep(0.05)
                connection.send(b"0123456789")
            connection.request("GET", "/health")
            assert connection.getresponse().read() == b"ok"


def test_every_answer_has_a_request_id_of_its_own(anybody, ops):
    answers = [
        anybody.get("/health"),
        anybody.get("/health/instance"),
        anybody.get("/nothing"),
        anybody.get("/v1/memories"),
        ops.get("/v1/memories"),
        ops.post("/v1/memories", content="{"),
        ops.delete(f"/v1/memories/{'0' * 32}"),
        anybody.get("/api/docs"),
    ]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


def test_a_callers_request_id_cannot_break_the_header(ops):
    answer = ops.get("/v1/memories", headers={"X-Request-Id": "x" * 5000})
    assert answer.status_code == 200
    assert len(answer.headers["x-request-id"]) <= 200


# The schema and its page


def test_the_schema_is_valid_openapi_3_1(schema):
    assert schema["openapi"].startswith("3.1.")
    validate_schema(schema)
    references = set(re.findall(r"'\$ref': '([^']+)'", repr(schema)))
    assert references
    for reference in references:
        found = schema
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_operations_have_unique_names_and_a_summary(schema):
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["summary"] and operation["responses"] for operation in operations)


def test_the_schema_names_every_path(schema, ops):
    described = {re.sub(r"\{[^}]*\}", "{}", path): set(item) for path, item in schema["paths"].items()}
    for path, methods in CONTRACT.items():
        answer = ops.options(path.replace("{}", "0"))
        served = set(answer.headers.get("allow", "").lower().split(", ")) & set(methods.lower().split())
        assert served <= described.get(path, set()), path
    assert {"/health", "/v1/memories", "/v1/memories/{}", "/auth/keys"} <= described.keys()


def test_the_schema_says_how_to_authenticate(schema):
    schemes = schema["components"]["securitySchemes"].values()
    assert ("http", "bearer") in {(scheme["type"], scheme.get("scheme")) for scheme in schemes}


def test_the_docs_page_loads_nothing_from_another_host(anybody):
    page = anybody.get("/api/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assets = re.findall(r"""<(?:script|link|img|iframe)[^>]*?(?:src|href)=["']([^"']+)""", page.text)
    assert [asset for asset in assets if asset.endswith(".js")]
    assert [asset for asset in assets if asset.endswith(".css")]
    for asset in assets:
        url = httpx.URL(anybody.base_url).join(asset)
        assert url.host == anybody.base_url.host, asset
        assert anybody.get(url).status_code == 200, asset
    assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", page.text)
    assert "/api/schema" in page.text
