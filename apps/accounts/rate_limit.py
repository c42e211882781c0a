"""Requests per key and time window, shared over processes where Redis is configured."""

import math
import threading
import time
from collections import OrderedDict
from functools import cache
from typing import Protocol

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

# A sliding window from two fixed ones: the last window counts in proportion to how much of it still overlaps.
# It needs two numbers per key instead of one timestamp per request.
_REDIS_SCRIPT = """
local current = tonumber(redis.call('GET', KEYS[1]) or '0')
local previous = tonumber(redis.call('GET', KEYS[2]) or '0')
local weighted = previous * tonumber(ARGV[2]) + current
if weighted >= tonumber(ARGV[1]) then return {current, previous} end
redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return false
"""


class Limiter(Protocol):
    def hit(self, key: str, now: float) -> int:
        """Count one request. Returns 0 when it is allowed, else the seconds to wait."""


def seconds_to_wait(*, limit: int, window: int, elapsed: float, current: int, previous: int) -> int:
    """Seconds until the weighted count is below the limit again; at least one."""
    if current >= limit:  # nothing more in this window
        return max(1, math.ceil(window - elapsed))
    return max(1, math.ceil(window * (1 - (limit - current) / previous) - elapsed))


class LocalLimiter:
    """Counts in this process. Keeps the most recent keys only, so that made-up tokens cannot fill the memory."""

    KEPT_KEYS = 10_000

    def __init__(self, limit: int, window: int) -> None:
        self._limit, self._window = limit, window
        self._counts: OrderedDict[str, tuple[int, int, int]] = (
            OrderedDict()
        )  # window number, current, previous
        self._lock = threading.Lock()

    def hit(self, key: str, now: float) -> int:
        number, elapsed = divmod(now, self._window)
        with self._lock:
            counted, current, previous = self._counts.pop(key, (int(number), 0, 0))
            if counted != number:
                current, previous = 0, current if counted == number - 1 else 0
            if allowed := previous * (1 - elapsed / self._window) + current < self._limit:
                current += 1
            self._counts[key] = (int(number), current, previous)
            if len(self._counts) > self.KEPT_KEYS:
                self._counts.popitem(last=False)
        if allowed:
            return 0
        return seconds_to_wait(
            limit=self._limit, window=self._window, elapsed=elapsed, current=current, previous=previous
        )


class RedisLimiter:
    """Counts in Redis; while Redis is unreachable each process counts for itself, which is logged.

    A request that finds Redis hanging waits for it; those of the next seconds do not ask again.
    """

    TIMEOUT_SECONDS = 0.25
    BACK_OFF_SECONDS = 5

    def __init__(self, url: str, limit: int, window: int) -> None:
        import redis

        self._limit, self._window = limit, window
        self._errors = redis.RedisError
        client = redis.Redis.from_url(
            url, socket_timeout=self.TIMEOUT_SECONDS, socket_connect_timeout=self.TIMEOUT_SECONDS
        )
        self._script = client.register_script(_REDIS_SCRIPT)
        self._fallback = LocalLimiter(limit, window)
        self._silent_until = self._alone_until = 0.0

    def hit(self, key: str, now: float) -> int:
        if time.monotonic() < self._alone_until:
            return self._fallback.hit(key, now)
        number, elapsed = divmod(now, self._window)
        keys = [f"memoria:rate:{key}:{int(number) - back}" for back in (0, 1)]
        try:
            over = self._script(keys=keys, args=[self._limit, 1 - elapsed / self._window, 2 * self._window])
        except self._errors as error:
            self._alone_until = time.monotonic() + self.BACK_OFF_SECONDS
            if time.monotonic() > self._silent_until:
                self._silent_until = time.monotonic() + 60
                log.warning("Redis is unreachable; rate limits count per process", error=type(error).__name__)
            return self._fallback.hit(key, now)
        if not over:
            return 0
        current, previous = over
        return seconds_to_wait(
            limit=self._limit, window=self._window, elapsed=elapsed, current=current, previous=previous
        )


@cache
def limiter() -> Limiter:
    limit, window = settings.MEMORIA_RATE_LIMIT
    if settings.MEMORIA_REDIS_URL:
        return RedisLimiter(settings.MEMORIA_REDIS_URL, limit, window)
    return LocalLimiter(limit, window)
