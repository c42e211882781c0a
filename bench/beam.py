"""Does the right memory come back from a long conversation? Recall of evidence messages on BEAM chats, over HTTP.

    .venv/bin/python bench/beam.py --data beam_100k_part1.json.gz
    .venv/bin/python bench/beam.py --data … --url http://127.0.0.1:8100 --key $MASTER_KEY

Stores every message of a chat as one memory ("<role>: <content>", observed at its time anchor) of a user of its own,
asks every probe that names its evidence, and prints recall@5/10/20/50 and Hit@10 beside two floors measured in the
same run: plain BM25 over the messages, and over each message joined with the next one.
"""

import argparse
import gzip
import json
import re
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.bm25 import PlainBm25
from bench.common import Rows

MONTHS = "January February March April May June July August September October November December".split()
DEPTHS = (5, 10, 20, 50)
LONGEST = 32_000  # bytes of content; the server keeps at most 32 KiB
Ranker = Callable[["Chat", str], list[int]]


@dataclass
class Chat:
    """A conversation and what is asked about it; evidence is given as message ids."""

    chat_id: str
    messages: list[tuple[int, str, str | None]]
    probes: list[tuple[str, str, set[int]]]
    id_of_memory: dict[str, int] = field(default_factory=dict)


def load(path: str) -> list[Chat]:
    raw = Path(path).read_bytes()
    text = gzip.decompress(raw) if path.endswith(".gz") else raw
    return [_chat(item) for item in json.loads(text)]


def _chat(item: dict[str, Any]) -> Chat:
    messages, anchor = [], None
    for batch in item["chat"]:
        for turn in batch["turns"]:
            for message in turn:
                anchor = message.get("time_anchor") or anchor
                text = f"{message['role']}: {message['content']}".encode()[:LONGEST].decode(errors="ignore")
                messages.append((message["id"], text, _observed(anchor)))
    probes = [
        (ability, probe["question"], evidence)
        for ability, asked in item["probing_questions"].items()
        for probe in asked
        if (evidence := set(_ids(probe.get("source_chat_ids"))))
    ]
    return Chat(str(item["chat_id"]), messages, probes)


def _ids(value: Any) -> Iterator[int]:
    """Evidence comes as a list, or as lists by role."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _ids(inner)
    elif isinstance(value, int) or (isinstance(value, str) and value.isdigit()):
        yield int(value)


def _observed(anchor: str | None) -> str | None:
    match = re.fullmatch(r"([A-Z][a-z]+)-(\d{1,2})-(\d{4})", anchor or "")
    if match is None or match.group(1) not in MONTHS:
        return None
    return datetime(
        int(match.group(3)), MONTHS.index(match.group(1)) + 1, int(match.group(2)), tzinfo=UTC
    ).isoformat()


class Server:
    """The Memoria server under test, through the master key."""

    def __init__(self, url: str, key: str, client: httpx.Client | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._client = client or httpx.Client(base_url=url, headers=headers, timeout=60)
        self._run = uuid.uuid4().hex[:8]

    def _user(self, chat: Chat) -> dict[str, str]:
        return {"X-User-Id": f"beam-{self._run}-{chat.chat_id}"}

    def store(self, chat: Chat, advance: Callable[[], None]) -> None:
        for message_id, text, observed in chat.messages:
            body = {"content": text, **({"observed_at": observed} if observed else {})}
            answer = self._client.post("/v1/memories", json=body, headers=self._user(chat))
            answer.raise_for_status()
            chat.id_of_memory.setdefault(answer.json()["memory_id"], message_id)
            advance()

    def rank(self, chat: Chat, question: str) -> list[int]:
        body = {"query": question, "top_k": max(DEPTHS)}
        answer = self._client.post("/v1/memories/retrieve", json=body, headers=self._user(chat))
        answer.raise_for_status()
        return [
            chat.id_of_memory[item["memory_id"]]
            for item in answer.json()
            if item["memory_id"] in chat.id_of_memory
        ]


class Bm25:
    """The floor; `joined` reads each message together with the next one."""

    def __init__(self, chats: list[Chat], *, joined: bool) -> None:
        self._indexes: dict[str, PlainBm25] = {}
        for chat in chats:
            texts = [text for _, text, _ in chat.messages]
            if joined:
                texts = [
                    f"{text} {following}" for text, following in zip(texts, [*texts[1:], ""], strict=True)
                ]
            self._indexes[chat.chat_id] = PlainBm25(texts)

    def rank(self, chat: Chat, question: str) -> list[int]:
        places = self._indexes[chat.chat_id].rank(question)[: max(DEPTHS)]
        return [chat.messages[place][0] for place in places]


def measure(chats: list[Chat], rank: Ranker) -> tuple[dict[str, float], dict[str, float]]:
    """Recall at each depth and Hit@10 in percent, over all probes; and recall@10 by ability."""
    recall: dict[int, list[float]] = defaultdict(list)
    hits: list[bool] = []
    by_ability: dict[str, list[float]] = defaultdict(list)
    for chat in chats:
        for ability, question, evidence in chat.probes:
            found = rank(chat, question)
            for depth in DEPTHS:
                recall[depth].append(len(evidence & set(found[:depth])) / len(evidence))
            hits.append(bool(evidence & set(found[:10])))
            by_ability[ability].append(recall[10][-1])
    figures = {f"R@{depth}": 100 * sum(values) / len(values) for depth, values in recall.items()}
    figures["Hit@10"] = 100 * sum(hits) / len(hits)
    return figures, {ability: 100 * sum(v) / len(v) for ability, v in sorted(by_ability.items())}


def store_all(server: Server, chats: list[Chat], console: Console) -> None:
    total = sum(len(chat.messages) for chat in chats)
    columns = (TextColumn("storing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started = time.perf_counter()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda chat: server.store(chat, lambda: progress.advance(task)), chats))
    seconds = time.perf_counter() - started
    console.print(
        f"stored {total} messages of {len(chats)} chats in {seconds:.1f} s: {total / seconds:.0f} per second"
    )


def report(chats: list[Chat], server: Server, console: Console) -> None:
    probes = sum(len(chat.probes) for chat in chats)
    started = time.perf_counter()
    ours, ours_by = measure(chats, server.rank)
    seconds = time.perf_counter() - started
    plain, plain_by = measure(chats, Bm25(chats, joined=False).rank)
    joined, _ = measure(chats, Bm25(chats, joined=True).rank)
    table = Rows(f"{probes} probes, {1e3 * seconds / probes:.1f} ms each over HTTP", "", *ours)
    for name, figures in (
        ("memoria", ours),
        ("BM25 (floor)", plain),
        ("BM25 with the next message (floor)", joined),
    ):
        table.add(name, *(f"{value:.1f}" for value in figures.values()))
    table.show()
    abilities = Rows("R@10 by ability", "ability", "memoria", "BM25")
    for ability, value in ours_by.items():
        abilities.add(ability, f"{value:.1f}", f"{plain_by[ability]:.1f}")
    abilities.show()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="a BEAM file: .json or .json.gz")
    parser.add_argument(
        "--url", help="a running server; unset: start one on SQLite, or on MariaDB with --engine"
    )
    parser.add_argument("--key", help="its master key")
    parser.add_argument("--engine", choices=("sqlite", "mariadb"), default="sqlite")
    parser.add_argument("--chats", type=int, default=10, help="only the first so many")
    options = parser.parse_args()
    console = Console()
    chats = load(options.data)[: options.chats]
    if options.url:
        server = Server(options.url, options.key or "")
        store_all(server, chats, console)
        report(chats, server, console)
        return
    from tests.running import start_server
    from tests.servers import start_mariadb

    url = None
    if options.engine == "mariadb":
        database = start_mariadb(durable=True)
        database.execute("CREATE DATABASE memoria")
        url = database.url("memoria")
    with tempfile.TemporaryDirectory(prefix="memoria-beam-") as folder:
        running = start_server(Path(folder), database_url=url, EMBEDDING_PROVIDER="local")
        try:
            server = Server(running.url, running.master_key)
            store_all(server, chats, console)
            report(chats, server, console)
        finally:
            running.stop()


if __name__ == "__main__":
    main()
