"""Endpoints that hang, drip or talk without end cost no more than the deadline."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.memories import remote
from apps.memories.remote import Endpoint, Endpoints, State
from memoria.errors import Refused, Unavailable

SECONDS = 0.6


@contextmanager
def endpoint(behaviour: str, asked: list[str] | None = None) -> Iterator[Endpoint]:
    """`asked` gets a line for every call."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if asked is not None:
                asked.append(behaviour)
            self.rfile.read(int(self.headers["Content-Length"]))
            if behaviour == "fails" or behaviour.isdigit():
                self.send_error(500 if behaviour == "fails" else int(behaviour))
                return
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


def ring(*endpoints: Endpoint, seconds: float = SECONDS) -> Endpoints:
    return Endpoints(endpoints, what="Test error", timeout_seconds=seconds, concurrent=4)


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
        assert ring(bad, good, seconds=5 * SECONDS).post("x", {}) == {"ok": True}


def refused(one: Endpoints) -> float:
    """Seconds until the call was given up."""
    started = time.monotonic()
    with pytest.raises(Unavailable):
        one.post("x", {})
    return time.monotonic() - started


def test_one_that_keeps_failing_is_left_alone_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LEFT_ALONE_SECONDS", 0.5)
    asked: list[str] = []
    with endpoint("hangs", asked) as bad:
        one = ring(bad)
        for _ in range(remote.FAILED_CALLS):
            assert one.states == [State.ANSWERING]
            assert refused(one) >= SECONDS * 0.8
        assert one.states == [State.LEFT_ALONE]
        before = len(asked)
        assert max(refused(one) for _ in range(20)) < SECONDS / 2
        assert len(asked) == before
        time.sleep(0.5)
        assert one.states == [State.TRYING]
        trying = [threading.Thread(target=refused, args=(one,)) for _ in range(4)]
        for thread in trying:
            thread.start()
        for thread in trying:
            thread.join()
        assert len(asked) == before + 1  # one call tries it, the others do not wait for it


def test_one_that_answers_again_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LEFT_ALONE_SECONDS", 0.1)
    with endpoint("answers") as good:
        one = ring(good)
        for _ in range(remote.FAILED_CALLS):
            one._ring[0].failed()
        refused(one)
        time.sleep(0.1)
        assert one.post("x", {}) == {"ok": True}
        assert one.states == [State.ANSWERING]
        one._ring[0].failed()
        assert one.post("x", {}) == {"ok": True}


def test_the_others_are_asked_while_one_is_left_alone() -> None:
    asked: list[str] = []
    with endpoint("fails", asked) as bad, endpoint("answers") as good:
        one = ring(bad, good, seconds=30)  # nobody here is slow but a busy machine
        for _ in range(8 * remote.FAILED_CALLS):
            assert one.post("x", {}) == {"ok": True}
        assert len(asked) == remote.FAILED_CALLS
        assert one.states == [State.LEFT_ALONE, State.ANSWERING]


def test_nobody_waits_long_for_a_place() -> None:
    with endpoint("hangs") as bad:
        one = Endpoints([bad], what="Test error", timeout_seconds=SECONDS, concurrent=1, wait_seconds=0.1)
        first = threading.Thread(target=refused, args=(one,))
        first.start()
        time.sleep(0.05)
        assert refused(one) < 0.4
        first.join()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 429, 500])
def test_only_what_was_asked_is_refused(status: int) -> None:
    with endpoint(str(status)) as one, pytest.raises(Unavailable) as raised:
        ring(one).post("ask", {})
    assert isinstance(raised.value, Refused) == (status in (400, 404, 413, 422))
