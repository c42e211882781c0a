"""Whatever a caller sends within, or beside, the published schema: an answer, never a crash."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

EXAMPLES = 10
QUIET = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def document(server):
    return httpx.get(f"{server.url}/api/schema", headers={"Accept": "application/json"}).text


@pytest.mark.parametrize("who", ["owner", "master"])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_operation_crashes(server, document, mode, who):
    """`positive` keeps to the schema, `negative` breaks it on purpose."""
    caller = server.user(f"fuzz-{mode.value}") if who == "owner" else server.client()
    schema = schemathesis.openapi.from_file(document)
    crashes = []
    operations = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        operations += 1
        try:
            strategy = operation.as_strategy(generation_mode=mode)

            @QUIET
            @given(strategy)
            def call(case):
                answer = case.call(
                    base_url=server.url,
                    headers={"Authorization": caller.headers["Authorization"]},
                    timeout=20,
                )
                if answer.status_code >= 500 and "LLM not configured" not in answer.text:
                    crashes.append((case.method, case.path, case.body, case.query, case.path_parameters))

            call()
        except Unsatisfiable:
            continue  # nothing can be broken in an operation without parameters
    assert operations > 30
    assert crashes == []
