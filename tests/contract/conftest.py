"""A running server per worker, and users of its own for each test. These tests speak HTTP only."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests import engine
from tests.language_model import KEY, Model, language_model
from tests.running import RunningServer, start_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    url = None
    if engine.SERVER is not None:
        engine.SERVER.execute("CREATE DATABASE IF NOT EXISTS memoria_contract")
        url = engine.SERVER.url("memoria_contract")
    running = start_server(tmp_path_factory.mktemp("server"), database_url=url)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def model() -> Iterator[Model]:
    """A language model that answers as a test tells it to."""
    with language_model() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def server_with_model(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One process: each leaves a failing endpoint alone by itself, and a test can only know what one thinks."""
    url = None
    if engine.SERVER is not None:
        engine.SERVER.execute("CREATE DATABASE IF NOT EXISTS memoria_with_model")
        url = engine.SERVER.url("memoria_with_model")
    running = start_server(
        tmp_path_factory.mktemp("with-model"),
        database_url=url,
        LLM_API_KEY=KEY,
        LLM_BASE_URL=model.url,
        LLM_MODEL="small",
        MEMORIA_LLM_TIMEOUT_SECONDS=1,
        MEMORIA_WORKERS=1,
    )
    yield running
    running.stop()


@pytest.fixture
def with_model(server_with_model: RunningServer, model: Model) -> RunningServer:
    """A server that has it and has just been answered, whatever the tests before did to it."""
    model.status, model.delay_seconds, model.says = 200, 0.0, "[]"
    client = server_with_model.user("asking-whether-it-answers")
    deadline = time.monotonic() + 30
    while (
        "warning" in client.post("/v1/observe", json={"messages": [{"role": "user", "content": "-"}]}).json()
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    model.asked.clear()
    return server_with_model


@dataclass(frozen=True)
class Person:
    """A user and a client with their key."""

    user_id: str
    http: httpx.Client

    def store(self, content: str, **fields: object) -> dict[str, object]:
        answer = self.http.post("/v1/memories", json={"content": content, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def contents(self, **parameters: str) -> list[str]:
        """What the user's list shows, oldest first."""
        page = self.http.get("/v1/memories", params={"limit": "500", **parameters})
        assert page.status_code == 200, page.text
        return [item["content"] for item in reversed(page.json()["items"])]


NewPerson = Callable[[str], Person]


@pytest.fixture
def new_person(server: RunningServer) -> NewPerson:
    """Make a user whose id begins with the given name."""

    def make(name: str) -> Person:
        user_id = f"{name}-{uuid.uuid4().hex[:8]}"
        return Person(user_id, server.user(user_id))

    return make


@pytest.fixture
def ada(new_person: NewPerson) -> Person:
    return new_person("ada")


@pytest.fixture
def ben(new_person: NewPerson) -> Person:
    return new_person("ben")


@pytest.fixture
def ops(server: RunningServer) -> httpx.Client:
    """A caller with the master key."""
    return server.client()
