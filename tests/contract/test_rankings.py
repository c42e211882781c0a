"""Rankings that must always hold: the cases of bench/rankings.json, with the embedder that a user gets."""

import uuid
from collections.abc import Iterator

import pytest

from bench import ranking
from tests import engine
from tests.running import RunningServer, start_server

# The benchmark hides its row among ten thousand, as tests/apps/memories/test_filtering.py does without a server.
CROWD = 200


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    url = None
    if engine.SERVER is not None:
        engine.SERVER.execute("CREATE DATABASE IF NOT EXISTS memoria_rankings")
        url = engine.SERVER.url("memoria_rankings")
    running = start_server(tmp_path_factory.mktemp("rankings"), database_url=url, EMBEDDING_PROVIDER="local")
    yield running
    running.stop()


@pytest.mark.parametrize("case", ranking.cases(), ids=lambda case: case["name"].replace(" ", "-"))
def test_it_holds(real_server, case):
    faults, answers = ranking.play(case, real_server.user(f"case-{uuid.uuid4().hex[:12]}"), crowd=CROWD)
    assert not faults, answers
