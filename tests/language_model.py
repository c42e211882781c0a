"""A real HTTP server that plays a language model: it says what a test tells it to say."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "llm-key-0123456789"


class Model(ThreadingHTTPServer):
    """An OpenAI-compatible chat endpoint that says what it is told to say."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says = json.dumps({"topic": "Deploys", "action": "Moved them", "outcome": "They work"})
        self.status, self.delay_seconds, self.asked = 200, 0.0, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        time.sleep(self.server.delay_seconds)
        answer = json.dumps({"choices": [{"message": {"content": self.server.says}}]}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextmanager
def language_model() -> Iterator[Model]:
    endpoint = Model()
    threading.Thread(target=endpoint.serve_forever, daemon=True).start()
    try:
        yield endpoint
    finally:
        endpoint.shutdown()
        endpoint.server_close()
