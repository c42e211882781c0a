"""A real HTTP server that plays an embedding endpoint: vectors of hashed words, or what a test tells it to do."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apps.memories.embedding.hashed import HashedEmbedder

# A text with this in it is never taken, and neither is what comes with it.
REFUSED = "unspeakable"


class Embeddings(ThreadingHTTPServer):
    """An OpenAI-compatible `/embeddings`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.width, self.behaviour, self.asked = 32, "answers", 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Embeddings

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        if self.server.behaviour == "fails":
            self.send_error(500)
            return
        if any(REFUSED in text for text in body["input"]):
            self.send_error(400)
            return
        self.send_response(200)
        self.end_headers()
        try:
            while self.server.behaviour == "drips":
                self.wfile.write(b" ")
                time.sleep(0.05)
            vectors = HashedEmbedder(self.server.width).embed(body["input"])
            data = [{"index": n, "embedding": vector.tolist()} for n, vector in enumerate(vectors)]
            self.wfile.write(json.dumps({"data": data}).encode())
        except OSError:  # the caller has had enough
            return

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def embedding_endpoint() -> Iterator[Embeddings]:
    endpoint = Embeddings()
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    try:
        yield endpoint
    finally:
        endpoint.behaviour = "answers"
        endpoint.shutdown()
        endpoint.server_close()
