"""An endpoint that drips, comes back, and gives vectors of another width; a server alone, without any worker."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import engine
from tests.embedding_endpoint import REFUSED, Embeddings, embedding_endpoint
from tests.running import RunningServer, start_server

QUERY_SECONDS = 0.5


@pytest.fixture
def endpoint() -> Iterator[Embeddings]:
    with embedding_endpoint() as playing:
        yield playing


@pytest.fixture
def start(endpoint: Embeddings, tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Start a server on this test's own data; again after it was stopped, with other settings if given."""
    url, running = None, []
    if engine.SERVER is not None:
        name = f"memoria_life_{tmp_path.name}".replace("-", "_")[:60]
        engine.SERVER.execute(f"CREATE DATABASE IF NOT EXISTS {name}")
        url = engine.SERVER.url(name)

    def start(**settings: Any) -> RunningServer:
        server = start_server(
            tmp_path / "data",
            database_url=url,
            **{
                "EMBEDDING_PROVIDER": "openai",
                "EMBEDDING_BASE_URL": endpoint.url,
                "EMBEDDING_MODEL": "words",
                "MEMORIA_EMBEDDING_TIMEOUT_SECONDS": 1,
                "MEMORIA_EMBEDDING_QUERY_TIMEOUT_SECONDS": QUERY_SECONDS,
                "MEMORIA_REEMBED_SECONDS": 1,
                "MEMORIA_USER_CONNECTIONS": 2,
                **settings,
            },
        )
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


def store(client: httpx.Client, *texts: str) -> None:
    for text in texts:
        answer = client.post("/v1/memories", json={"content": text})
        assert answer.status_code == 201, answer.text


def explained(client: httpx.Client, query: str) -> dict[str, Any]:
    answer = client.post("/v1/memories/retrieve", json={"query": query, "explain": "basic"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def embedding(client: httpx.Client) -> dict[str, Any]:
    found = client.get("/v1/health/capacity").json()
    assert found["global_vector_count"] == found["embedding"]["embedded"]
    return found["embedding"]


def healed(client: httpx.Client, seconds: float = 30) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while (found := embedding(client))["lacking"] or not found["embedded"]:
        assert time.monotonic() < until, found
        time.sleep(0.2)
    return found


def test_a_dripping_endpoint_slows_nobody_else_and_what_it_left_out_is_made_up_for(
    start: Callable[..., RunningServer], endpoint: Embeddings
) -> None:
    server = start()
    ada, ben = server.user("ada"), server.user("ben")
    store(ada, "The kettle is blue", "The harbour opens at nine")
    store(ben, "The whale is grey")
    assert embedding(ada) | {"endpoints": 0} == {
        "model": "words",
        "width": 32,
        "embedded": 2,
        "lacking": 0,
        "refused": 0,
        "progress": 1.0,
        "endpoints": 0,
    }
    assert explained(ada, "which kettle?")["explain"]["vector_hit"]

    endpoint.behaviour = "drips"
    waits, answers = [], []

    def ask() -> None:
        client = server.client(ada.headers["authorization"].removeprefix("Bearer "))
        started = time.monotonic()
        answers.append(explained(client, "the kettle is blue"))
        waits.append(time.monotonic() - started)

    asking = [threading.Thread(target=ask) for _ in range(12)]
    for thread in asking:
        thread.start()
    time.sleep(QUERY_SECONDS / 3)  # six of them hang in the endpoint: more than there are connections
    bens = []
    for _ in range(5):
        started = time.monotonic()
        assert ben.get("/v1/memories").json()["items"][0]["content"] == "The whale is grey"
        bens.append(time.monotonic() - started)
    for thread in asking:
        thread.join()
    assert min(bens) < QUERY_SECONDS / 2, "somebody else waited for ada's endpoint"
    assert max(waits) < 5 * QUERY_SECONDS
    for answer in answers:
        assert answer["results"][0]["content"] == "The kettle is blue"
        assert answer["explain"]["path"] == "fulltext"
        assert answer["explain"]["degraded"].startswith("Embedding error")

    states = embedding(ada)["endpoints"]
    assert states["queries"] == ["left alone"]
    assert ben.get("/health/instance").json()["embedding"] == "failing"
    asked = endpoint.asked
    assert explained(ada, "the harbour opens at nine")["results"]
    assert endpoint.asked == asked

    store(ada, "The boat is late")  # waits for the deadline of stores, and is kept without a vector
    assert embedding(ada)["lacking"] == 1
    server.kill()

    endpoint.behaviour = "answers"
    server = start()
    ada = server.client(ada.headers["authorization"].removeprefix("Bearer "))
    assert healed(ada)["embedded"] == 3
    assert explained(ada, "which boat?")["explain"].get("degraded") is None


def test_another_width_and_texts_stored_without_an_embedder_are_embedded_by_the_server_itself(
    start: Callable[..., RunningServer], endpoint: Embeddings
) -> None:
    server = start()
    ada = server.user("ada")
    key = ada.headers["authorization"].removeprefix("Bearer ")
    store(ada, "The kettle is blue", "The teapot is green")
    deadline = time.monotonic() + 20
    while server.manage("reembed", "--check", check=False).returncode:
        assert time.monotonic() < deadline  # noted as complete: the next start has to find out by itself
    server.stop()

    server = start(EMBEDDING_PROVIDER="none")
    store(server.client(key), "The cup is white")
    found = embedding(server.client(key))
    assert (found["model"], found["embedded"], found["lacking"]) == (None, 0, 3)
    server.kill()

    endpoint.width = 48
    server = start()
    ada = server.client(key)
    found = healed(ada)
    assert (found["width"], found["embedded"]) == (48, 3)
    for text in ("The kettle is blue", "The cup is white"):
        answer = explained(ada, text)
        assert answer["results"][0]["content"] == text
        assert answer["explain"]["vector_hit"]
        assert answer["explain"].get("degraded") is None
    store(ada, "The kettle is red")
    assert healed(ada)["embedded"] == 4


def test_a_text_that_the_endpoint_refuses_keeps_nobody_waiting(
    start: Callable[..., RunningServer], endpoint: Embeddings
) -> None:
    ada = start().user("ada")
    items = [{"content": f"Shelf {n} holds jar {n * 7}"} for n in range(70)]
    items[20] = {"content": f"An {REFUSED} word on shelf 20"}
    answer = ada.post("/v1/memories/batch", json={"memories": items})
    assert answer.status_code == 201, answer.text
    deadline = time.monotonic() + 30
    while not (state := ada.get("/v1/health/capacity").json()["embedding"])["refused"]:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    assert (state["lacking"], state["embedded"], state["refused"]) == (1, 69, 1)
