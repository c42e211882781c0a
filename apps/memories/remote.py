"""Calls to OpenAI-compatible endpoints: several in turn, retried with jitter, always within one deadline."""

import itertools
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import structlog

from memoria.errors import Unavailable

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
# Of bytes: 64 embeddings of 4,096 numbers each are about 6 MB of JSON.
LONGEST_ANSWER = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    api_key: str = field(repr=False, default="")


class Endpoints:
    """A ring of equivalent endpoints. Every call starts with the next one; a failing one is passed over."""

    def __init__(
        self, endpoints: Sequence[Endpoint], *, what: str, timeout_seconds: float, concurrent: int
    ) -> None:
        self._ring = list(endpoints)
        self._next = itertools.count()
        self._what = what
        self._timeout_seconds = timeout_seconds
        self._places = threading.BoundedSemaphore(concurrent)
        self._client = httpx.Client(
            timeout=timeout_seconds, limits=httpx.Limits(max_connections=concurrent, keepalive_expiry=30)
        )

    def post(self, path: str, payload: dict[str, Any]) -> Any:
        """Return the decoded answer. Raises Unavailable, without the endpoint's text, once the deadline has
        passed or an endpoint says that the request itself is wrong."""
        deadline = time.monotonic() + self._timeout_seconds
        if not self._places.acquire(timeout=self._timeout_seconds):
            raise Unavailable(f"{self._what}: all connections stay busy", retry_after=2)
        try:
            return self._post_until(deadline, path, payload)
        finally:
            self._places.release()

    def _post_until(self, deadline: float, path: str, payload: dict[str, Any]) -> Any:
        body = msgspec.json.encode(payload)
        pause = FIRST_PAUSE_SECONDS
        start = next(self._next)
        for attempt in itertools.count():
            endpoint = self._ring[(start + attempt) % len(self._ring)]
            remaining = deadline - time.monotonic()
            waiting = max(
                len(self._ring) - attempt, 1
            )  # one that hangs leaves the others of this round their share
            problem = self._try(endpoint, path, body, max(remaining / waiting, 0.05))
            if not isinstance(problem, str):
                return problem[0]
            log.warning("an endpoint failed", what=self._what, problem=problem, attempt=attempt + 1)
            if attempt + 1 >= len(self._ring):  # every endpoint had its turn: breathe before the next round
                wait = random.uniform(pause / 2, pause)  # noqa: S311  jitter
                if time.monotonic() + wait >= deadline:
                    raise Unavailable(f"{self._what}: {problem}", retry_after=5)
                time.sleep(wait)
                pause *= 2
        raise AssertionError("unreachable")

    def _try(self, endpoint: Endpoint, path: str, body: bytes, timeout: float) -> tuple[Any] | str:
        """The decoded answer in a tuple, or what went wrong and may be retried."""
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
        if answer.status_code >= 400:
            raise Unavailable(
                f"{self._what}: the endpoint refused with HTTP {answer.status_code}", retry_after=60
            )
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
