"""Do the rankings that must always hold, hold? Each case of rankings.json with a user of its own, over HTTP.

    .venv/bin/python bench/ranking.py
    .venv/bin/python bench/ranking.py --engine mariadb --embedder local --verbose 1

A case stores its memories in order, and asks once. What it wants of the answers: `first` (a text of the first),
`found` and `absent` (texts of any), `nothing`, and `in_conflict` (each stored memory names another as its
contradiction). The test suite runs the same file.
"""

import json
import sys
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

from bench.common import ENGINES, Rows, arguments
from tests.running import start_server

FILE = Path(__file__).with_name("rankings.json")
ITEMS_PER_BATCH = 100
Case = dict[str, Any]


def cases() -> list[Case]:
    found: list[Case] = json.loads(FILE.read_text())
    return found


def play(case: Case, http: httpx.Client, *, crowd: int | None = None) -> tuple[list[str], list[str]]:
    """Run a case as the user of `http`. Returns its faults, empty where it holds, and the answers.

    `crowd` bounds the number of rows that a case hides its own among.
    """
    for batch in _crowd(case, crowd):
        http.post("/v1/memories/batch", json={"memories": batch}).raise_for_status()
    stored = []
    for memory in case["memories"]:
        answer = http.post("/v1/memories", json=_aged(memory))
        answer.raise_for_status()
        stored.append(answer.json()["memory_id"])
    answer = http.post("/v1/memories/retrieve", json=case["ask"])
    answer.raise_for_status()
    answers = [found["content"] for found in answer.json()]
    return [*_faults(case, answers), *(_unflagged(http, stored) if case.get("in_conflict") else ())], answers


def _crowd(case: Case, most: int | None) -> Iterator[list[Case]]:
    if (crowd := case.get("crowd")) is None:
        return
    fields = {name: value for name, value in crowd.items() if name not in ("count", "content")}
    numbers = range(min(crowd["count"], most or crowd["count"]))
    for start in range(0, len(numbers), ITEMS_PER_BATCH):
        part = numbers[start : start + ITEMS_PER_BATCH]
        yield [{"content": crowd["content"].format(n=number), **fields} for number in part]


def _aged(memory: Case) -> Case:
    body = {name: value for name, value in memory.items() if name != "age_days"}
    observed = datetime.now(UTC) - timedelta(days=memory.get("age_days", 0))
    return body | {"observed_at": observed.isoformat()}


def _faults(case: Case, answers: list[str]) -> Iterator[str]:
    every = "\n".join(answers)
    if case.get("nothing") and answers:
        yield "something was found"
    if "first" in case and case["first"] not in "".join(answers[:1]):
        yield f"{case['first']!r} is not first"
    yield from (f"{text!r} is missing" for text in case.get("found", ()) if text not in every)
    yield from (f"{text!r} is among the answers" for text in case.get("absent", ()) if text in every)


def _unflagged(http: httpx.Client, stored: list[str]) -> Iterator[str]:
    for memory_id in stored:
        shown = http.get(f"/v1/memories/{memory_id}")
        shown.raise_for_status()
        if not shown.json().get("conflicts_with"):
            yield f"{shown.json()['content']!r} names no contradiction"


def measure(engine: str, *, embedder: str, crowd: int, verbose: bool) -> None:
    database = None
    if engine == "mariadb":
        from tests.servers import start_mariadb

        database = start_mariadb(durable=True)
        database.execute("CREATE DATABASE memoria")
    with tempfile.TemporaryDirectory(prefix="memoria-bench-") as folder:
        server = start_server(
            Path(folder),
            database_url=database.url("memoria") if database else None,
            EMBEDDING_PROVIDER=embedder,
        )
        rows, held = Rows(f"rankings, {engine}, embedder {embedder}", "case", "faults"), 0
        try:
            for case in cases():
                faults, answers = play(
                    case, server.user(f"bench-{uuid.uuid4().hex[:12]}"), crowd=crowd or None
                )
                held += not faults
                rows.add(case["name"], "; ".join(faults) or "none")
                if verbose and faults:
                    print(case["name"], *answers, sep="\n    ")
        finally:
            server.stop()
            if database:
                database.stop()
    rows.show()
    print(f"{held} of {len(cases())} hold")


if __name__ == "__main__":
    options = arguments(__doc__ or "", embedder="local", crowd=0, verbose=0)
    for name in ENGINES if options.engine == "both" else (options.engine,):
        measure(name, embedder=options.embedder, crowd=options.crowd, verbose=bool(options.verbose))
