"""Do memory scenarios end as they should? Seeds and steps through the API, then questions with texts that must and
must not be among the answers.

    .venv/bin/python bench/scenarios.py --data folder-with-scenario-files
    .venv/bin/python bench/scenarios.py --data … --verbose --url http://127.0.0.1:8100 --key $MASTER_KEY

A case is one question. It passes when at least 80 % of the wanted texts are among the returned memories and at least
80 % of the unwanted ones are not (case-insensitive). The floor is plain BM25 over what was stored, in the same run.
"""

import argparse
import json
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

from bench.bm25 import PlainBm25
from bench.common import Rows
from tests.running import start_server

PASSING = 0.8


@dataclass
class Case:
    question: str
    passed: bool
    floor_passed: bool
    missing: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)


def memory(item: dict[str, Any], session: str) -> dict[str, Any]:
    age = timedelta(days=item.get("age_days") or 0)
    body = {
        "content": item["content"],
        "memory_type": item.get("memory_type", "semantic"),
        "session_id": session,
    }
    body["observed_at"] = (datetime.now(UTC) - age).isoformat()
    body["source"] = "benchmark"
    return body | {
        name: item[name] for name in ("trust_tier", "initial_confidence") if item.get(name) is not None
    }


class Player:
    """Plays one scenario as a user of its own."""

    def __init__(self, http: httpx.Client, scenario: dict[str, Any]) -> None:
        self._http, self._scenario = http, scenario
        self._user = f"bench-{uuid.uuid4().hex[:8]}-{scenario['scenario_id'].lower()}"
        self._headers = {"X-Impersonate-User": self._user}
        self._stored: list[str] = []

    def play(self) -> list[Case]:
        for seed in self._scenario["seed_memories"]:
            stored = self._post("/v1/memories", memory(seed, self._user))
            if seed.get("is_outdated"):
                self._post("/v1/memories/purge", {"memory_ids": [stored["memory_id"]]})
            else:
                self._stored.append(seed["content"])
        for operation in self._scenario.get("maturation", ()):
            self._post(f"/admin/governance/{self._user}/trigger?op={operation}", {})
        for step in self._scenario["steps"]:
            self._step(step)
        return [self._ask(assertion) for assertion in self._scenario["assertions"]]

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(path, json=body, headers=self._headers)
        answer.raise_for_status()
        return answer.json()

    def _step(self, step: dict[str, Any]) -> None:
        action = step["action"]
        if action == "store":
            self._post("/v1/memories", memory(step, self._user))
            self._stored.append(step["content"])
        elif action == "correct":
            self._post(
                "/v1/memories/correct",
                {"query": step["query"], "new_content": step["content"], "reason": step.get("reason", "")},
            )
            self._stored.append(step["content"])
        elif action == "purge":
            self._post("/v1/memories/purge", {"topic": step.get("topic") or step["query"]})
        else:
            self._post(f"/v1/memories/{action}", {"query": step["query"], "top_k": step.get("top_k", 5)})

    def _ask(self, assertion: dict[str, Any]) -> Case:
        question, top_k = assertion["query"], assertion.get("top_k", 5)
        body = {"query": question, "top_k": top_k, "session_id": self._user}
        answers = [found["content"] for found in self._post("/v1/memories/retrieve", body)]
        ranked = PlainBm25(self._stored).rank(question)[:top_k]
        floor_passed, *_ = judged(assertion, [self._stored[place] for place in ranked])
        passed, missing, unwanted = judged(assertion, answers)
        return Case(question, passed, floor_passed, missing, unwanted, answers)


def judged(assertion: dict[str, Any], answers: list[str]) -> tuple[bool, list[str], list[str]]:
    """Whether the answers pass, the wanted texts they lack, and the unwanted ones they hold."""
    texts = "\n".join(answers).lower()
    wanted, unwanted = assertion["expected_contents"], assertion.get("excluded_contents") or []
    missing = [text for text in wanted if text.lower() not in texts]
    present = [text for text in unwanted if text.lower() in texts]
    recall = 1 - len(missing) / max(len(wanted), 1)
    rejection = 1 - len(present) / max(len(unwanted), 1)
    return recall >= PASSING and rejection >= PASSING, missing, present


def main(options: argparse.Namespace, url: str, key: str) -> None:
    rows = Rows("scenarios", "set", "cases passed", "share", "plain BM25")
    totals = [0, 0, 0]
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
        for path in sorted(Path(options.data).glob("*.json")):
            cases = []
            for scenario in json.loads(path.read_text())["scenarios"]:
                played = Player(http, scenario).play()
                cases += played
                for case in played if options.verbose else ():
                    if not case.passed:
                        print(f"{scenario['scenario_id']}: {case.question}")
                        print(f"  missing {case.missing}, unwanted {case.unwanted}")
                        for answer in case.answers:
                            print(f"    {answer[:110]}")
            passed, floor = sum(case.passed for case in cases), sum(case.floor_passed for case in cases)
            totals = [totals[0] + passed, totals[1] + len(cases), totals[2] + floor]
            share = f"{100 * passed / len(cases):.0f} %"
            rows.add(path.stem, f"{passed}/{len(cases)}", share, f"{floor}/{len(cases)}")
    share = f"{100 * totals[0] / max(totals[1], 1):.0f} %"
    rows.add("all", f"{totals[0]}/{totals[1]}", share, f"{totals[2]}/{totals[1]}")
    rows.show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder with scenario files")
    parser.add_argument("--url", help="a running server; unset: an embedded one is started")
    parser.add_argument("--key", default="", help="its master key")
    parser.add_argument("--verbose", action="store_true", help="show the cases that fail")
    arguments = parser.parse_args()
    if arguments.url:
        main(arguments, arguments.url, arguments.key)
    else:
        with tempfile.TemporaryDirectory(prefix="memoria-bench-") as folder:
            server = start_server(Path(folder), EMBEDDING_PROVIDER="local")
            try:
                main(arguments, server.url, server.master_key)
            finally:
                server.stop()
