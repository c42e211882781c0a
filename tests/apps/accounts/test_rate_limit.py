"""The sliding window, with a clock of our own."""

import multiprocessing
import socket
import time

from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.rate_limit import HostLimiter, LocalLimiter, RedisLimiter


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


def allowed(path, hits):
    limiter = HostLimiter(path, 100, 60)
    return sum(limiter.hit("a", 1000.0) == 0 for _ in range(hits))


def test_processes_of_a_host_share_the_limit(tmp_path):
    with multiprocessing.get_context("spawn").Pool(4) as processes:
        counts = processes.starmap(allowed, [(tmp_path / "hits", 60)] * 4)
    assert sum(counts) == 100


def test_a_shared_limit_slides_like_any_other(tmp_path):
    shared, local = HostLimiter(tmp_path / "hits", 5, 60), LocalLimiter(5, 60)
    for number in range(200):
        moment = 1000.0 + 7.3 * number
        assert shared.hit("a", moment) == local.hit("a", moment)


def test_made_up_keys_do_not_fill_the_disk(tmp_path):
    limiter = HostLimiter(tmp_path / "hits", 5, 60)
    for number in range(500):
        limiter.hit(str(number), 1000.0 + number)
    assert limiter._connection.execute("SELECT COUNT(*) FROM hits").fetchone()[0] < 200


def test_without_its_file_a_process_counts_for_itself(tmp_path):
    limiter = HostLimiter(tmp_path / "nowhere" / "hits", 2, 60)
    assert [bool(limiter.hit("a", 1000.0)) for _ in range(3)] == [False, False, True]


def test_a_file_that_is_no_database_any_more_is_made_anew(tmp_path):
    path = tmp_path / "hits"
    path.write_bytes(b"after a power failure" * 1000)
    limiter = HostLimiter(path, 2, 60)
    assert [bool(limiter.hit("a", 1000.0)) for _ in range(4)] == [False, False, False, True]  # one by itself
    assert path.read_bytes().startswith(b"SQLite")
