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
        ("GET", "/v1/memories", None, 2),
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
