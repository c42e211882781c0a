"""How many statements a request costs. A number that changes here is a decision, not an accident."""

from collections import Counter

import pytest
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.utils import timezone

from apps.accounts.services import key_create

SESSION = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE SAVEPOINT")


@pytest.fixture
def statements(monkeypatch):
    """Counts statements by plane while the test runs."""
    seen: Counter[str] = Counter()
    run = CursorWrapper._execute_with_wrappers

    def counting(self, sql, params, many, executor):
        if not sql.startswith(SESSION):
            seen["control" if self.db.alias == DEFAULT_DB_ALIAS else "user"] += 1
        return run(self, sql, params, many, executor)

    monkeypatch.setattr(CursorWrapper, "_execute_with_wrappers", counting)
    return seen


@pytest.fixture
def call(make_user):
    make_user("ada")
    key = key_create(user_id="ada", name="test", expires_at=None, now=timezone.now()).raw_key
    client = Client(headers={"Authorization": f"Bearer {key}"})

    def call(method, path, body=None):
        answer = client.generic(method, path, b"" if body is None else body, "application/json")
        assert answer.status_code < 300, answer.content
        return answer.json() if answer.content else None

    for n in range(3):
        call("POST", "/v1/memories", f'{{"content": "memory number {n} of the day"}}')
    call("POST", "/v1/memories/retrieve", '{"query": "which memory?"}')
    return call


def test_who_calls_and_where_is_one_statement(call, statements):
    call("GET", "/v1/memories")
    assert statements["control"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "user_statements"),
    [
        ("GET", "/v1/memories", None, 3),  # the view, the page, and what disagrees with any of it
        ("GET", "/v1/memories/{id}", None, 3),
        ("POST", "/v1/memories/retrieve", '{"query": "number of the day"}', 7),
        ("POST", "/v1/memories", '{"content": "the fourth memory"}', 11),
        ("POST", "/v1/memories/batch", '{"memories": [{"content": "five"}, {"content": "six"}]}', 12),
        ("DELETE", "/v1/memories/{id}", None, 13),
        ("GET", "/v1/branches", None, 2),
        ("GET", "/v1/snapshots", None, 1),
    ],
)
def test_statements_per_request(call, statements, method, path, body, user_statements):
    newest = call("GET", "/v1/memories")["items"][0]["memory_id"]
    statements.clear()
    call(method, path.format(id=newest), body)
    assert statements == {"control": 1, "user": user_statements}


def test_a_list_asks_for_what_disagrees_once_however_much_there_is(call, statements):
    """One statement for a page, one more where the other side lies outside it, none where the page is empty."""
    for n in range(3):
        for is_not in ("", "not "):
            call("POST", "/v1/memories", f'{{"content": "Deploys of s{n} are {is_not}allowed on Fridays"}}')
    for path, conflicts, user_statements in (
        ("/v1/memories", 6, 3),
        ("/v1/memories?limit=1", 1, 4),
        ("/v1/memories?session_id=none", 0, 2),
    ):
        statements.clear()
        items = call("GET", path)["items"]
        assert sum("conflicts_with" in item for item in items) == conflicts
        assert statements == {"control": 1, "user": user_statements}
