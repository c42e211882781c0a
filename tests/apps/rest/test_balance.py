"""The processes of a server tell each other how many requests they have; who has more gives connections away."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from apps.rest import balance
from apps.rest.balance import IN_A_ROW, MORE, Share, one_of_many, shared_memory, take_share
from tests.running import ROOT

OTHER = """
import sys
from apps.rest.balance import Share
share = Share(sys.argv[1])
share.add(int(sys.argv[2]))
print("there", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def memory() -> Iterator[str]:
    path = shared_memory(2)
    yield path
    os.close(int(path.rpartition("/")[2]))


@pytest.fixture
def others(memory: str) -> "Iterator[list[subprocess.Popen[bytes]]]":
    """Other processes of the server."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def start(others: "list[subprocess.Popen[bytes]]", memory: str, requests: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", OTHER, memory, str(requests)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    others.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    return process


def asked(share: Share, times: int = IN_A_ROW) -> list[bool]:
    return [share.is_too_large() for _ in range(times)]


def test_who_goes_on_having_more_than_another_has_too_much(memory, others):
    start(others, memory, 1)
    start(others, memory, 9)
    mine = Share(memory)
    mine.add(MORE + 1)
    usual = [*[False] * (IN_A_ROW - 1), True]
    assert asked(mine, 2 * IN_A_ROW) == usual * 2  # one connection at a time


def test_what_is_seen_once_in_a_while_is_an_accident(memory, others):
    start(others, memory, 1)
    mine = Share(memory)
    for _ in range(4):
        mine.add(3)
        assert not any(asked(mine, IN_A_ROW - 1))
        mine.add(-2)
        assert asked(mine, 1) == [False]
        mine.add(-1)


def test_a_process_that_died_is_nobody_to_give_to_and_leaves_its_place(memory, others):
    gone = start(others, memory, 0)
    mine = Share(memory)
    mine.add(5)
    gone.kill()
    gone.wait()
    assert not any(asked(mine, 3 * IN_A_ROW))
    for _ in range(5):  # each takes the place that the one before left
        again = start(others, memory, 1)
        assert any(asked(mine))
        again.kill()
        again.wait()


def test_one_that_died_does_not_hide_one_that_has_less_to_do(memory, others):
    gone = start(others, memory, 0)
    start(others, memory, 1)
    mine = Share(memory)
    mine.add(5)
    gone.kill()
    gone.wait()
    assert asked(mine, 2 * IN_A_ROW) == [False] * (2 * IN_A_ROW - 1) + [True]


def test_whoever_outlives_the_process_that_started_it_goes_on(memory, others):
    gone = start(others, memory, 0)
    mine = Share(memory)
    mine.add(5)
    gone.kill()
    gone.wait()
    mine._path = "/proc/self/fd/nothing"
    assert not any(asked(mine, 3 * IN_A_ROW))


def test_one_process_too_many_does_without(memory, others, monkeypatch):
    monkeypatch.setattr(balance, "_share", None)
    for _ in range(4):
        start(others, memory, 0)
    take_share(memory)
    assert gives_nothing_away()


def gives_nothing_away():
    with one_of_many() as is_one_too_many:
        return not any(is_one_too_many() for _ in range(3 * IN_A_ROW))


def test_the_only_process_gives_nothing_away():
    assert gives_nothing_away()


def test_memory_that_cannot_be_opened_is_done_without(memory, monkeypatch):
    monkeypatch.setattr(balance, "_share", None)
    take_share("/proc/self/fd/nothing")
    assert gives_nothing_away()


def test_every_request_is_counted_once_whatever_becomes_of_it(memory, monkeypatch):
    monkeypatch.setattr(balance, "_share", None)
    take_share(memory)

    def requests() -> None:
        for _ in range(300):
            with pytest.raises(LookupError), one_of_many() as is_one_too_many:
                is_one_too_many()
                raise LookupError

    threads = [threading.Thread(target=requests) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert balance._share is not None
    assert balance._share._all["requests"].tolist() == [0] * 4
