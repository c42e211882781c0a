"""Feedback on memories and the weights of retrieval."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

UNKNOWN = "0" * 32
DEFAULTS = {"feedback_weight": 0.1, "temporal_decay_hours": 168.0, "confidence_weight": 0.1}
TEXTS = ("The harbour office has a blue door", "The harbour office has a brass bell")


def give(person, memory_id, signal="useful", **fields):
    return person.http.post(f"/v1/memories/{memory_id}/feedback", json={"signal": signal, **fields})


def stats(person):
    return person.http.get("/v1/feedback/stats").json()


def ago(age):
    return (datetime.now(UTC) - age).isoformat()


def first(person, query="what does the harbour office have"):
    return person.http.post("/v1/memories/retrieve", json={"query": query}).json()[0]


def test_a_signal_is_kept_and_counted(ada):
    memory = ada.store(TEXTS[0], trust_tier="T2")
    answer = give(ada, memory["memory_id"], context="it answered")
    assert answer.status_code == 201
    assert {**answer.json(), "feedback_id": None} == {
        "feedback_id": None,
        "memory_id": memory["memory_id"],
        "signal": "useful",
    }
    give(ada, memory["memory_id"], "wrong")
    assert stats(ada) == {"total": 2, "useful": 1, "irrelevant": 0, "outdated": 0, "wrong": 1}
    assert ada.http.get("/v1/feedback/by-tier").json() == {
        "breakdown": [
            {"tier": "T2", "signal": "useful", "count": 1},
            {"tier": "T2", "signal": "wrong", "count": 1},
        ]
    }


def test_every_one_of_simultaneous_signals_counts(ada):
    memory_id = ada.store(TEXTS[0])["memory_id"]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: give(ada, memory_id).status_code, range(24)))
    assert codes == [201] * 24
    assert stats(ada)["useful"] == 24


@pytest.mark.parametrize("signal", ["", "good", "USEFUL", "useful "])
def test_an_unknown_signal_is_refused_before_anything_is_looked_up(ada, signal):
    answer = give(ada, UNKNOWN, signal)
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        f"Validation error: Invalid signal '{signal}'. Must be one of: useful, irrelevant, outdated, wrong",
    )


def test_only_a_memory_of_ones_own_can_be_rated(ada, ben):
    memory_id = ada.store(TEXTS[0])["memory_id"]
    for person, unknown in ((ada, UNKNOWN), (ben, memory_id)):
        answer = give(person, unknown)
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"Memory not found: Memory {unknown} not found or not owned by user"
    assert stats(ada)["total"] == stats(ben)["total"] == 0


def test_feedback_moves_retrieval(ada):
    now, then = (ada.store(text)["memory_id"] for text in TEXTS)
    ada.http.put("/v1/retrieval-params", json={"feedback_weight": 0.5})
    for good, bad in ((now, then), (then, now)):
        for _ in range(6):
            give(ada, good)
            give(ada, bad, "wrong")
        for _ in range(6 if good == then else 0):
            give(ada, good)
        assert first(ada)["memory_id"] == good


def test_a_correction_inherits_a_part_of_it_and_not_what_it_mends(ada):
    def rated(text, signal):
        query = {"query": text, "explain": "analyze"}
        memory_id = ada.store(text)["memory_id"]
        for _ in range(2):
            give(ada, memory_id, signal)
        new = ada.http.put(f"/v1/memories/{memory_id}/correct", json={"new_content": f"{text} of oak"}).json()
        found = ada.http.post("/v1/memories/retrieve", json=query).json()["explain"]["candidate_scores"][0]
        assert found["memory_id"] == new["memory_id"]
        return found["multipliers"]["feedback"]

    useful, wrong = rated(TEXTS[0], "useful"), rated("The lighthouse keeper owns a table", "wrong")
    assert useful == pytest.approx(1.1, abs=0.001)
    assert wrong == 1


def test_weights_are_clamped_and_kept(ada, ben):
    mine = {"user_id": ada.user_id}
    assert ada.http.get("/v1/retrieval-params").json() == {**mine, **DEFAULTS}
    changed = ada.http.put("/v1/retrieval-params", json={"feedback_weight": 9, "temporal_decay_hours": -3})
    expected = {**mine, "feedback_weight": 0.5, "temporal_decay_hours": 1.0, "confidence_weight": 0.1}
    assert changed.json() == expected
    assert ada.http.put("/v1/retrieval-params", json={}).json() == expected
    assert ada.http.get("/v1/retrieval-params").json() == expected
    assert ben.http.get("/v1/retrieval-params").json() == {"user_id": ben.user_id, **DEFAULTS}
    assert ada.http.put("/v1/retrieval-params", json={"feedback_weight": "1"}).status_code == 422


def test_the_weight_of_trust_acts(ada):
    ada.store("The harbour office opens at nine", initial_confidence=0.1)
    scores = []
    for weight in (0.0, 0.5):
        ada.http.put("/v1/retrieval-params", json={"confidence_weight": weight})
        scores.append(first(ada)["retrieval_score"])
    assert scores[1] < 0.7 * scores[0]


def test_the_pace_of_growing_stale_acts(ada):
    day = timedelta(days=1)
    ada.store("The harbour office paints its gate", memory_type="working", observed_at=ago(6 * day))
    scores = []
    for hours in (720, 168, 1):
        ada.http.put("/v1/retrieval-params", json={"temporal_decay_hours": hours})
        scores.append(first(ada)["retrieval_score"])
    assert scores[0] > scores[1] > scores[2]


def test_what_is_said_again_counts_from_then(ada):
    text, day = "The harbour office paints its gate", timedelta(days=1)
    ada.store(text, memory_type="working", observed_at=ago(30 * day))
    scores = [first(ada)["retrieval_score"]]
    # Of an old log read in late, and out of order, the latest counts.
    for age in (3 * day, 20 * day, 0 * day):
        ada.store(text, memory_type="working", observed_at=ago(age))
        scores.append(first(ada)["retrieval_score"])
    assert scores[0] < scores[1] == pytest.approx(scores[2], abs=2e-4)
    assert scores[2] < scores[3]


def test_tuning_needs_ten_new_signals(ada):
    memory_id = ada.store(TEXTS[0])["memory_id"]
    for _ in range(9):
        give(ada, memory_id)
    refused = ada.http.post("/v1/retrieval-params/tune").json()
    assert refused == {
        "tuned": False,
        "message": "Not enough feedback to tune parameters (minimum 10 feedback signals required)",
        "current_params": DEFAULTS,
    }
    give(ada, memory_id)
    tuned = ada.http.post("/v1/retrieval-params/tune").json()
    assert tuned == {
        "tuned": True,
        "old_params": DEFAULTS,
        "new_params": {**DEFAULTS, "feedback_weight": 0.11},
    }
    assert ada.http.post("/v1/retrieval-params/tune").json()["tuned"] is False  # the same ten say it once
    for _ in range(10):
        give(ada, memory_id, "irrelevant")
    assert ada.http.post("/v1/retrieval-params/tune").json()["new_params"]["feedback_weight"] == 0.099
