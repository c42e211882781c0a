"""Is what is known answered, and what is not left unanswered? Plain questions in two languages, three sizes of store.

    .venv/bin/python bench/answers.py --engine sqlite

Each language of answers.json has facts with a question each, questions that nothing stored answers, and sentences to
fill a store up with. A true answer has the fact among the first five; any answer to an unrelated question is false.
Small stores hold twenty of the facts and nothing else. What is held back was written after the bar of
memoria/ranking.py had been chosen, and is shown apart: whoever moves the bar, do not look at it.
"""

import json
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

from bench.common import ENGINES, Rows, arguments
from tests.running import RunningServer, start_server

FILE = Path(__file__).with_suffix(".json")
SMALL = 20
SIZES = (300, 3_000)
ITEMS_PER_BATCH = 100
ANSWERS = 5
Language = dict[str, Any]


@dataclass
class Store:
    """What one user knows, and the facts among it with the questions they answer."""

    size: int
    texts: list[str]
    facts: list[tuple[str, str]]


@dataclass
class Tally:
    true: list[bool] = field(default_factory=list)
    false: list[bool] = field(default_factory=list)

    def figures(self) -> tuple[str, str]:
        return f"{sum(self.true)} of {len(self.true)}", f"{sum(self.false)} of {len(self.false)}"


def stores(language: Language) -> Iterator[Store]:
    facts = [(fact, question) for fact, question in language["facts"]]
    for start in range(0, len(facts), SMALL):
        part = facts[start : start + SMALL]
        yield Store(SMALL, [fact for fact, _ in part], part)
    for size in SIZES:
        yield Store(size, [fact for fact, _ in facts] + crowd(language, size - len(facts)), facts)


def crowd(language: Language, count: int) -> list[str]:
    """So many different sentences, the same at each call."""
    dice, found = random.Random(1), {}
    while len(found) < count:
        words = {name: dice.choice(every) for name, every in language["words"].items()}
        found[dice.choice(language["crowd"]).format(**words)] = None
    return list(found)


def ask(http: httpx.Client, question: str) -> list[str]:
    answer = http.post("/v1/memories/retrieve", json={"query": question, "top_k": ANSWERS})
    answer.raise_for_status()
    return [memory["content"] for memory in answer.json()]


def play(store: Store, unrelated: list[str], http: httpx.Client, tally: Tally) -> None:
    for start in range(0, len(store.texts), ITEMS_PER_BATCH):
        items = [{"content": text} for text in store.texts[start : start + ITEMS_PER_BATCH]]
        http.post("/v1/memories/batch", json={"memories": items}).raise_for_status()
    tally.true += [fact in ask(http, question) for fact, question in store.facts]
    tally.false += [bool(ask(http, question)) for question in unrelated]


def measure(server: RunningServer, title: str) -> None:
    rows = Rows(title, "language", "memories", "true", "false")
    for name, language in json.loads(FILE.read_text()).items():
        for part, asked in ((name, language), (f"{name}, held back", language | language["held_back"])):
            tallies: dict[int, Tally] = {}
            for store in stores(asked):
                user = server.user(f"bench-{uuid.uuid4().hex[:12]}")
                play(store, asked["unrelated"], user, tallies.setdefault(store.size, Tally()))
            for size, tally in tallies.items():
                rows.add(part, size, *tally.figures())
    rows.show()


def main(engine: str) -> None:
    database = None
    if engine == "mariadb":
        from tests.servers import start_mariadb

        database = start_mariadb(durable=True)
        database.execute("CREATE DATABASE memoria")
    with tempfile.TemporaryDirectory(prefix="memoria-bench-") as folder:
        url = database.url("memoria") if database else None
        server = start_server(Path(folder), database_url=url, EMBEDDING_PROVIDER="local")
        try:
            measure(server, f"answers, {engine}")
        finally:
            server.stop()
            if database:
                database.stop()


if __name__ == "__main__":
    options = arguments(__doc__ or "")
    for engine in ENGINES if options.engine == "both" else (options.engine,):
        main(engine)
