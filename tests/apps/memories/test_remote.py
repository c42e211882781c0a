"""Endpoints that hang, drip or talk without end cost no more than the deadline."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.memories.remote import Endpoint, Endpoints
from memoria.errors import Unavailable

SECONDS = 0.6


@contextmanager
def endpoint(behaviour: str) -> Iterator[Endpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if behaviour == "hangs":
                time.sleep(5 * SECONDS)
                return
            self.send_response(200)
            self.end_headers()
            try:
                if behaviour == "drips":
                    for _ in range(100):
                        self.wfile.write(b" ")
                        time.sleep(SECONDS / 10)
                while behaviour == "floods":
                    self.wfile.write(b" " * 2**20)
                self.wfile.write(json.dumps({"ok": True}).encode())
            except OSError:  # the caller has had enough
                return

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Endpoint(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


def ring(*endpoints: Endpoint) -> Endpoints:
    return Endpoints(endpoints, what="Test error", timeout_seconds=SECONDS, concurrent=4)


@pytest.mark.parametrize("behaviour", ["hangs", "drips", "floods"])
def test_the_deadline_is_kept(behaviour: str) -> None:
    with endpoint(behaviour) as one:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            ring(one).post("x", {})
        assert time.monotonic() - started < 3 * SECONDS


@pytest.mark.parametrize("behaviour", ["hangs", "drips", "floods"])
def test_the_next_one_has_time_left(behaviour: str) -> None:
    with endpoint(behaviour) as bad, endpoint("answers") as good:
        assert ring(bad, good).post("x", {}) == {"ok": True}
