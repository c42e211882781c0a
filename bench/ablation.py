"""What is each stage of the ranking good for? Every figure again with one stage after the other switched off.

    .venv/bin/python bench/ablation.py --data ../shared/bench-data/beam_100k_part1.json.gz \\
        --scenarios ../shared/bench-data/scenarios

BEAM recall as bench/beam.py measures it, scenarios as bench/scenarios.py plays them, rankings as bench/ranking.py
does (among 300 rows instead of 10,000), all through the views of a server in this process, so that its weights can be
changed. A stage that changes none of the three for the worse when it is off does not earn its place.
"""

import argparse
import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from rich.console import Console

from bench import beam, ranking, scenarios
from bench.common import Rows, set_up

# What is switched off together, by the fields of memoria.weights.Weights that do it.
STAGES: dict[str, dict[str, float]] = {
    "nothing: all stages on": {},
    "closeness of meaning": {"dense": 0},
    "words": {"lexical": 0},
    "names": {"entity": 0},
    "mean over passages": {"whole": 0},
    "links": {"link": 0, "linked_own": 0},
    "own share of linked facts": {"linked_own": 0},
    "tone: own statements": {"voice": 0},
    "tone: instructions, preferences": {"instruction": 0, "preference": 0},
    "trust": {"trust": 0},
    "freshness": {"fresh": 0},
    "session": {"session": 0},
    "time windows": {"time": 0},
    "latest and first": {"order": 0},
    "older of two alike": {"outdated": 0},
    "honest empty answer": {"enough": 0, "floor": 0},
    "cut below a share of the best": {"gap": 0, "gap_fact": 0, "gap_unnamed": 0, "gap_linked": 0},
    "diversity": {"alike": 2},
    "a closer look at the best": {"reading": 0},
}


class Bench:
    """A server in this process whose weights can be changed."""

    def __init__(self) -> None:
        set_up("sqlite", EMBEDDING_PROVIDER="local", MEMORIA_RATE_LIMIT_AUTH_KEYS="100000,60")
        from django.conf import settings
        from django.core.wsgi import get_wsgi_application

        self.key = settings.MEMORIA_MASTER_KEY
        self._transport = httpx.WSGITransport(app=get_wsgi_application())

    def client(self, **headers: str) -> httpx.Client:
        master = {"Authorization": f"Bearer {self.key}", **headers}
        return httpx.Client(transport=self._transport, base_url="http://bench", headers=master)

    def weigh(self, **off: float) -> None:
        from apps.feedback import selectors
        from apps.rest.views import retrieve
        from memoria.feedback import DEFAULT_PARAMS
        from memoria.weights import DEFAULT

        retrieve.DEFAULT = replace(DEFAULT, **off)  # type: ignore[arg-type]
        # The weight of trust is the user's.
        selectors.DEFAULT_PARAMS = replace(DEFAULT_PARAMS, confidence_weight=off.get("trust", DEFAULT.trust))


def beam_figures(bench: Bench, path: str, chats: int, console: Console) -> Callable[[], dict[str, float]]:
    """Store the chats; the function asks all probes."""
    every = beam.load(path)[:chats]
    server = beam.Server("http://bench", bench.key, client=bench.client())
    for chat in every:
        server.store(chat, lambda: None)
        console.print(f"stored chat {chat.chat_id}")
    return lambda: beam.measure(every, server.rank)[0]


def scenarios_passed(bench: Bench, folder: str) -> int:
    passed = 0
    with bench.client() as http:
        for path in sorted(Path(folder).glob("*.json")):
            for scenario in json.loads(path.read_text())["scenarios"]:
                passed += sum(case.passed for case in scenarios.Player(http, scenario).play())
    return passed


def rankings_held(bench: Bench) -> int:
    held = 0
    for case in ranking.cases():
        with bench.client(**{"X-User-Id": f"case-{uuid.uuid4().hex[:12]}"}) as http:
            held += not ranking.play(case, http, crowd=300)[0]
    return held


def main(options: argparse.Namespace) -> None:
    console, bench = Console(), Bench()
    recall = beam_figures(bench, options.data, options.chats, console)
    figures: list[tuple[str, dict[str, Any]]] = []
    for stage, off in STAGES.items():
        bench.weigh(**off)
        row = {name: f"{value:.1f}" for name, value in recall().items()}
        row["scenarios"] = str(scenarios_passed(bench, options.scenarios)) if options.scenarios else "-"
        row["rankings"] = f"{rankings_held(bench)}/{len(ranking.cases())}"
        figures.append((stage, row))
        console.print(stage, row)
    table = Rows("without", "stage", *figures[0][1])
    for stage, row in figures:
        table.add(stage, *row.values())
    table.show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="a BEAM file: .json or .json.gz")
    parser.add_argument("--scenarios", help="folder with scenario files")
    parser.add_argument("--chats", type=int, default=10, help="only the first so many")
    main(parser.parse_args())
