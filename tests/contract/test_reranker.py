"""A reranker puts the best answers in its order; without its opinion they stay as they are."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests import engine
from tests.running import start_server

KEY = "reranker-key-0123456789"
NOTES = [
    "The wiki is hosted in Dublin",
    "The wiki was hosted in Lisbon",
    "The wiki is hosted with many new colours",
]
# About something else: good enough where thirty answers are wanted, not where two are.
ASIDE = "Sundays are for the wiki, mornings for the choir, evenings for the garden"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        time.sleep(self.server.delay_seconds)
        results = [
            {"index": place, "relevance_score": 1.0 if "colours" in text else 0.1}
            for place, text in enumerate(body["documents"])
        ]
        answer = json.dumps({"results": results if self.server.shape is None else self.server.shape}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def server(endpoint, tmp_path_factory):
    url = None
    if engine.SERVER is not None:
        engine.SERVER.execute("CREATE DATABASE IF NOT EXISTS memoria_reranked")
        url = engine.SERVER.url("memoria_reranked")
    running = start_server(
        tmp_path_factory.mktemp("reranked"),
        database_url=url,
        MEMORIA_RERANKER_URL=f"http://127.0.0.1:{endpoint.server_address[1]}",
        MEMORIA_RERANKER_MODEL="cross",
        MEMORIA_RERANKER_API_KEY=KEY,
        MEMORIA_RERANKER_TIMEOUT_SECONDS=0.5,
    )
    yield running
    running.stop()


@pytest.fixture
def ada(server, endpoint):
    endpoint.status, endpoint.delay_seconds, endpoint.shape = 200, 0.0, None
    endpoint.asked.clear()
    client = server.user(f"ada-{time.time_ns()}")
    for note in (*NOTES, ASIDE):
        assert client.post("/v1/memories", json={"content": note}).status_code == 201
    return client


def ask(client, **body):
    answer = client.post(
        "/v1/memories/retrieve", json={"query": "where is the wiki hosted?", "explain": "analyze", **body}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_reranker_has_the_last_word(ada, endpoint):
    found = ask(ada, top_k=2)
    assert found["results"][0]["content"] == NOTES[2]
    assert len(found["results"]) == 2
    first = found["explain"]["candidate_scores"][0]
    assert first["ranks"]["reranker"] == 1
    assert "not_reranked" not in found["explain"] or found["explain"]["not_reranked"] is None
    ((path, authorization, body),) = endpoint.asked
    assert (path, authorization, body["model"]) == ("/rerank", f"Bearer {KEY}", "cross")
    assert sorted(body["documents"]) == sorted(NOTES)
    ask(ada, top_k=30)  # where many are wanted, more is good enough
    assert sorted(endpoint.asked[-1][2]["documents"]) == sorted((*NOTES, ASIDE))


@pytest.mark.parametrize(
    ("status", "delay", "shape"),
    [(500, 0, None), (200, 2, None), (200, 0, "rubbish")],
    ids=["error", "late", "shape"],
)
def test_without_its_opinion_the_order_stands(ada, endpoint, server, status, delay, shape):
    endpoint.status, endpoint.delay_seconds, endpoint.shape = status, delay, shape
    found = ask(ada, top_k=2)
    assert found["results"][0]["content"] == NOTES[0]
    assert len(found["results"]) == 2
    assert "reranking failed" in found["explain"]["not_reranked"]
    assert KEY not in json.dumps(found) + server.log.read_text(errors="replace")


def test_nothing_found_asks_nobody(ada, endpoint):
    assert ask(ada, query="quantum zebra xylophone")["results"] == []
    assert endpoint.asked == []
