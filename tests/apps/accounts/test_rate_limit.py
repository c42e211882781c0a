"""The sliding window, with a clock of our own."""

import socket
import time

from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.rate_limit import LocalLimiter, RedisLimiter


def test_the_limit_is_exact_within_a_window_and_keys_are_apart():
    limiter = LocalLimiter(5, 60)
    assert [limiter.hit("a", 1000.0) for _ in range(5)] == [0] * 5
    assert limiter.hit("a", 1000.0) > 0
    assert limiter.hit("b", 1000.0) == 0


def test_a_refused_request_does_not_count():
    limiter = LocalLimiter(1, 60)
    limiter.hit("a", 1000.0)
    for _ in range(50):
        limiter.hit("a", 1001.0)
    assert limiter.hit("a", 1200.0) == 0


@given(st.integers(1, 50), st.integers(1, 100), st.floats(0, 1e6))
def test_waiting_as_told_is_enough_or_nearly(limit, window, start):
    limiter = LocalLimiter(limit, window)
    for _ in range(limit):
        assert limiter.hit("a", start) == 0
    wait = limiter.hit("a", start)
    assert 1 <= wait <= window + 1
    later = start + wait
    while limiter.hit("a", later):  # the window slides: the next second or two let one through
        later += 1
    assert later - start <= 2 * window + 2


def test_made_up_keys_do_not_fill_the_memory():
    limiter = LocalLimiter(5, 60)
    for number in range(LocalLimiter.KEPT_KEYS + 100):
        limiter.hit(str(number), 1000.0)
    assert len(limiter._counts) == LocalLimiter.KEPT_KEYS


def test_a_redis_that_hangs_is_not_asked_by_every_request():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        limiter = RedisLimiter(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0", 3, 60)
        started = time.monotonic()
        answers = [limiter.hit("a", 1000.0) for _ in range(50)]
        assert time.monotonic() - started < RedisLimiter.BACK_OFF_SECONDS / 2
    assert answers[:3] == [0, 0, 0]
    assert all(answers[3:])
