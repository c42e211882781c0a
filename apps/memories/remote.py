"""Calls to OpenAI-compatible endpoints: several in turn, retried with jitter, always within one deadline. One that
keeps failing is left alone for a while.
"""

import itertools
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx
import msgspec
import structlog

from apps.tenancy.turns import turn_ended
from memoria.errors import Refused, Unavailable

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
# Of bytes: 64 embeddings of 4,096 numbers each are about 6 MB of JSON.
LONGEST_ANSWER = 32 * 2**20
# After so many calls in a row that it failed an endpoint is not asked for so long; then one call tries it.
FAILED_CALLS, LEFT_ALONE_SECONDS = 3, 5.0
# Says nothing of what was asked: keys, and times.
NOT_ABOUT_INPUT = frozenset((401, 403, 408, 429))


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    api_key: str = field(repr=False, default="")


class State(StrEnum):
    ANSWERING = "answering"
    LEFT_ALONE = "left alone"
    TRYING = "trying"


class Breaker:
    """Whether one endpoint is worth asking. A dead one would cost every caller the whole deadline."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._lock = threading.Lock()
        self._failed_calls = 0
        self._asked_again_at = 0.0

    @property
    def state(self) -> State:
        with self._lock:
            if self._failed_calls < FAILED_CALLS:
                return State.ANSWERING
            return State.LEFT_ALONE if time.monotonic() < self._asked_again_at else State.TRYING

    @property
    def seconds_left(self) -> float:
        return max(self._asked_again_at - time.monotonic(), 0.0)

    def lets_through(self, call_seconds: float) -> bool:
        """Whether to ask it now. One call at a time tries an endpoint that failed; others wait for what it finds, at
        most as long as the call may take.
        """
        with self._lock:
            if self._failed_calls < FAILED_CALLS:
                return True
            if time.monotonic() < self._asked_again_at:
                return False
            self._asked_again_at = time.monotonic() + call_seconds
            return True

    def answered(self) -> None:
        with self._lock:
            if self._failed_calls >= FAILED_CALLS:
                log.info("an endpoint answers again")
            self._failed_calls = 0

    def failed(self) -> None:
        with self._lock:
            self._failed_calls += 1
            if self._failed_calls >= FAILED_CALLS:
                self._asked_again_at = time.monotonic() + LEFT_ALONE_SECONDS


class Endpoints:
    """A ring of equivalent endpoints. Every call starts with the next one; a failing one is passed over."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        what: str,
        timeout_seconds: float,
        concurrent: int,
        wait_seconds: float | None = None,
    ) -> None:
        """At most `concurrent` calls at a time; others wait for a place, not longer than `wait_seconds`."""
        self._ring = [Breaker(endpoint) for endpoint in endpoints]
        self._next = itertools.count()
        self._what = what
        self._timeout_seconds = timeout_seconds
        self._wait_seconds = timeout_seconds if wait_seconds is None else min(wait_seconds, timeout_seconds)
        self._places = threading.BoundedSemaphore(concurrent)
        self._client = httpx.Client(
            timeout=timeout_seconds, limits=httpx.Limits(max_connections=concurrent, keepalive_expiry=30)
        )

    def post(self, path: str, payload: dict[str, Any]) -> Any:
        """Return the decoded answer. Raises Unavailable, without the endpoint's text, once the deadline has
        passed or all of them are left alone, and Refused where an endpoint says that the request itself is wrong.
        """
        deadline = time.monotonic() + self._timeout_seconds
        with turn_ended():
            if not self._places.acquire(timeout=self._wait_seconds):
                raise Unavailable(f"{self._what}: all connections stay busy", retry_after=2)
            try:
                return self._post_until(deadline, path, payload)
            finally:
                self._places.release()

    @property
    def states(self) -> list[State]:
        return [breaker.state for breaker in self._ring]

    def _post_until(self, deadline: float, path: str, payload: dict[str, Any]) -> Any:
        body = msgspec.json.encode(payload)
        pause = FIRST_PAUSE_SECONDS
        start = next(self._next)
        turns = (self._ring[(start + turn) % len(self._ring)] for turn in range(len(self._ring)))
        asked = [breaker for breaker in turns if breaker.lets_through(self._timeout_seconds)]
        if not asked:
            seconds = min(breaker.seconds_left for breaker in self._ring)
            raise Unavailable(f"{self._what}: it failed and is left alone", retry_after=int(seconds) + 1)
        failed: set[Breaker] = set()
        try:
            for attempt in itertools.count():
                breaker = asked[attempt % len(asked)]
                remaining = deadline - time.monotonic()
                waiting = max(
                    len(asked) - attempt, 1
                )  # one that hangs leaves the others of this round their share
                problem = self._try(breaker, path, body, max(remaining / waiting, 0.05))
                if not isinstance(problem, str):
                    failed.discard(breaker)
                    return problem[0]
                failed.add(breaker)
                log.warning("an endpoint failed", what=self._what, problem=problem, attempt=attempt + 1)
                if attempt + 1 >= len(asked):  # every endpoint had its turn: breathe before the next round
                    wait = random.uniform(pause / 2, pause)  # noqa: S311  jitter
                    if time.monotonic() + wait >= deadline:
                        raise Unavailable(f"{self._what}: {problem}", retry_after=5)
                    time.sleep(wait)
                    pause *= 2
        finally:
            for breaker in failed:
                breaker.failed()
        raise AssertionError("unreachable")

    def _try(self, breaker: Breaker, path: str, body: bytes, timeout: float) -> tuple[Any] | str:
        """The decoded answer in a tuple, or what went wrong and may be retried."""
        endpoint = breaker.endpoint
        headers = {"Content-Type": "application/json"}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        url, until = f"{endpoint.url.rstrip('/')}/{path}", time.monotonic() + timeout
        try:
            with self._client.stream("POST", url, content=body, headers=headers, timeout=timeout) as answer:
                content = _read(answer, until)
        except httpx.HTTPError as error:
            return type(error).__name__
        if answer.status_code == 429 or answer.status_code >= 500:
            return f"HTTP {answer.status_code}"
        breaker.answered()
        if answer.status_code >= 400:
            kind = Unavailable if answer.status_code in NOT_ABOUT_INPUT else Refused
            raise kind(f"{self._what}: the endpoint refused with HTTP {answer.status_code}", retry_after=60)
        try:
            return (msgspec.json.decode(content),)
        except msgspec.DecodeError:
            return "an answer that is not JSON"


def _read(answer: httpx.Response, until: float) -> bytes:
    """The whole answer. The client's own timeout is for each piece: many small ones would take for ever."""
    content = bytearray()
    for piece in answer.iter_bytes():
        content += piece
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the answer takes too long")
        if len(content) > LONGEST_ANSWER:
            raise httpx.ReadError("the answer is too long")
    return bytes(content)
