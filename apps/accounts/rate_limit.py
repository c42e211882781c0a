"""Requests per key and time window, counted by all processes of a host together, or of all hosts with one Redis."""

import math
import sqlite3
import threading
import time
from collections import OrderedDict
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
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


# Window number, requests in it, requests in the one before.
_Counts = tuple[int, int, int]


def _counted(counts: _Counts | None, now: float, limit: int, window: int) -> tuple[_Counts, int]:
    """What is kept of a key after one more request, and the seconds that it has to wait."""
    number, elapsed = int(now // window), now % window
    then, current, previous = counts or (number, 0, 0)
    if then != number:
        current, previous = 0, current if then == number - 1 else 0
    if previous * (1 - elapsed / window) + current < limit:
        return (number, current + 1, previous), 0
    wait = seconds_to_wait(limit=limit, window=window, elapsed=elapsed, current=current, previous=previous)
    return (number, current, previous), wait


class LocalLimiter:
    """Counts in this process. Keeps the most recent keys only, so that made-up tokens cannot fill the memory."""

    KEPT_KEYS = 10_000

    def __init__(self, limit: int, window: int) -> None:
        self._limit, self._window = limit, window
        self._counts: OrderedDict[str, _Counts] = OrderedDict()
        self._lock = threading.Lock()

    def hit(self, key: str, now: float) -> int:
        with self._lock:
            counts = self._counts.pop(key, None)
            self._counts[key], wait = _counted(counts, now, self._limit, self._window)
            if len(self._counts) > self.KEPT_KEYS:
                self._counts.popitem(last=False)
        return wait


class HostLimiter:
    """Counts in a file that the processes of one host share. Nothing in it outlives two windows, so it is written
    without waiting for the disk; when it cannot be written, which is logged, each process counts for itself.
    """

    def __init__(self, path: Path, limit: int, window: int) -> None:
        self._path, self._limit, self._window = path, limit, window
        self._fallback = LocalLimiter(limit, window)
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._cleared = self._silent_until = 0.0

    def hit(self, key: str, now: float) -> int:
        try:
            with self._lock:
                return self._hit(key, now)
        except sqlite3.Error as error:
            if not isinstance(error, sqlite3.OperationalError):
                # It is no database any more: the machine went down while it was written.
                self._path.unlink(missing_ok=True)
            if time.monotonic() > self._silent_until:
                self._silent_until = time.monotonic() + 60
                log.warning("rate limits count per process", file=str(self._path), error=str(error))
            return self._fallback.hit(key, now)

    def _hit(self, key: str, now: float) -> int:
        connection = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._forget_old(connection, now)
            counts = connection.execute("SELECT number, current, previous FROM hits WHERE key = ?", [key])
            kept, wait = _counted(counts.fetchone(), now, self._limit, self._window)
            connection.execute("INSERT OR REPLACE INTO hits VALUES (?, ?, ?, ?)", [key, *kept])
            connection.execute("COMMIT")
        except sqlite3.Error:
            self._connection = None
            with suppress(sqlite3.Error), closing(connection):
                connection.rollback()
            raise
        return wait

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=1.0, isolation_level=None, check_same_thread=False
            )
            with suppress(sqlite3.OperationalError):  # another process is about to set it, for good
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, number INTEGER, current INTEGER,"
                " previous INTEGER) WITHOUT ROWID"
            )
            self._connection = connection
        return self._connection

    def _forget_old(self, connection: sqlite3.Connection, now: float) -> None:
        """Made-up tokens must not fill the disk."""
        if not 0 <= now - self._cleared < self._window:
            self._cleared = now
            connection.execute("DELETE FROM hits WHERE number < ?", [int(now // self._window) - 1])


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
    if settings.MEMORIA_WORKERS > 1:
        return HostLimiter(settings.MEMORIA_DATA_DIR / "rate_limit.sqlite3", limit, window)
    return LocalLimiter(limit, window)
