"""Session summaries by a language model, in the request or in the background, and the tasks one polls."""

import json
import time

import pytest

from tests.language_model import KEY


@pytest.fixture
def maria(with_model, model):
    model.says = json.dumps({"topic": "Deploys", "action": "Moved them", "outcome": "They work"})
    name = f"maria-{time.time_ns()}"
    client = with_model.user(name)
    for text in ("Deploys were slow", "Deploys moved to the blue cluster"):
        client.post("/v1/memories", json={"content": text, "session_id": "s/9"})
    return client


def summarise(client, session="s/9", **body):
    return client.post(f"/v1/sessions/{session}/summary", json=body)


def test_a_session_is_summed_up_as_one_memory(maria, model):
    answer = summarise(maria, sync=True, focus_topics=["speed"])
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["content"] == "Session Summary: Deploys\n\nActions: Moved them\n\nOutcome: They work"
    assert (found["task_id"], found["truncated"], found["mode"]) == (None, False, "full")
    assert found["metadata"] == {
        "mode": "full",
        "topic": "Deploys",
        "action": "Moved them",
        "outcome": "They work",
        "session_id": "s/9",
    }
    memory = maria.get(f"/v1/memories/{found['memory_id']}").json()
    assert (memory["memory_type"], memory["trust_tier"], memory["session_id"]) == ("episodic", "T1", "s/9")
    ((path, authorization, body),) = model.asked
    assert (path, authorization, body["model"]) == ("/v1/chat/completions", f"Bearer {KEY}", "small")
    notes = body["messages"][1]["content"]
    assert notes.index("Deploys were slow") < notes.index("blue cluster") < notes.index("speed")


def test_highlights_are_points(maria, model):
    model.says = '```json\n{"points": ["one", "two", "three"]}\n```'
    found = summarise(maria, sync=True, mode="lightweight").json()
    assert found["content"] == "Session Highlights:\n• one\n• two\n• three"
    assert found["metadata"] == {"mode": "lightweight", "points": ["one", "two", "three"]}


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        ("no json", "LLM returned invalid JSON"),
        ("[1]", "LLM returned invalid JSON"),
        ("{}", "LLM returned empty topic"),
    ],
)
def test_a_useless_answer_changes_nothing(maria, model, says, problem):
    model.says = says
    answer = summarise(maria, sync=True)
    assert (answer.status_code, answer.json()["detail"].startswith(problem)) == (503, True)
    assert len(maria.get("/v1/memories").json()["items"]) == 2


def test_earlier_summaries_are_not_summed_up_again(maria, model):
    first = summarise(maria, sync=True).json()["memory_id"]
    highlights = json.dumps({"points": ["one"]})
    model.says = highlights
    second = summarise(maria, sync=True, mode="lightweight").json()["memory_id"]
    maria.put(f"/v1/memories/{first}/correct", json={"new_content": "Session Summary: Deploys by hand"})
    model.asked.clear()
    assert summarise(maria, sync=True, mode="lightweight").status_code == 200
    ((_, _, body),) = model.asked
    notes = body["messages"][1]["content"]
    assert notes == "- Deploys were slow\n- Deploys moved to the blue cluster"
    assert second != first


def test_odd_values_become_text_and_metadata_is_masked_like_the_content(maria, model):
    odd = {"topic": ["Mail to ada@example.org", None], "action": {"a": 1}, "outcome": 5}
    model.says = json.dumps(odd)
    found = summarise(maria, sync=True).json()
    assert found["content"] == "Session Summary: Mail to [email]\n\nActions: \n\nOutcome: 5"
    assert found["metadata"]["topic"] == "Mail to [email]"
    assert (found["metadata"]["action"], found["metadata"]["outcome"]) == ("", "5")
    model.says = json.dumps({"points": [None, " ", {"a": 1}, ["x", "y"], True, "call +1 415 555 2671"]})
    found = summarise(maria, sync=True, mode="lightweight").json()
    assert found["metadata"]["points"] == ["x; y", "call [phone]"]
    assert "555" not in json.dumps(maria.get("/v1/memories").json())


@pytest.mark.parametrize(
    "topic", ["x" * 40_000, "lone \ud800", "", {}, [], None, False], ids=["long", "surrogate", *"12345"]
)
def test_an_unusable_answer_is_the_models_fault(maria, model, topic):
    model.says = json.dumps({"topic": topic, "action": "a", "outcome": "o"})
    answer = summarise(maria, sync=True)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert len(maria.get("/v1/memories").json()["items"]) == 2


def test_a_secret_in_a_summary_is_refused(maria, model):
    model.says = json.dumps({"topic": "password = hunter2", "action": "", "outcome": ""})
    answer = summarise(maria, sync=True)
    assert (answer.status_code, "hunter2" in answer.text) == (403, False)


def test_a_slow_or_broken_model_is_given_up_in_time(maria, model):
    for model.status, model.delay_seconds in ((500, 0.0), (200, 3.0)):
        started = time.monotonic()
        answer = summarise(maria, sync=True)
        assert answer.status_code == 503
        assert KEY not in answer.text
        assert time.monotonic() - started < 3


def test_a_summary_in_the_background_is_polled(maria, with_model, model):
    model.delay_seconds = 0.3
    started = summarise(maria).json()
    assert (started["memory_id"], started["content"], started["mode"]) == (None, None, "full")
    path = f"/v1/tasks/{started['task_id']}"
    assert maria.get(path).json()["status"] == "processing"
    deadline = time.monotonic() + 15
    while (task := maria.get(path).json())["status"] == "processing":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (task["status"], task["error"]) == ("completed", None)
    assert set(task["result"]) == {"memory_id", "content", "truncated", "metadata"}
    assert maria.get(f"/v1/memories/{task['result']['memory_id']}").status_code == 200
    stranger = with_model.user("ben").get(path)
    assert (stranger.status_code, stranger.json()["detail"]) == (403, "Not your task")
    assert with_model.client().get(path).status_code == 200
    missing = maria.get("/v1/tasks/nope")
    assert (missing.status_code, missing.json()["detail"]) == (404, "Task nope not found")


def test_a_failing_task_says_why(maria):
    task_id = summarise(maria, session="empty").json()["task_id"]
    deadline = time.monotonic() + 15
    while (task := maria.get(f"/v1/tasks/{task_id}").json())["status"] == "processing":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert task["error"] == {"code": "GENERATION_ERROR", "message": "No memories found for session empty"}
    assert summarise(maria, session="empty", sync=True).status_code == 404


def test_without_a_model_the_answer_says_what_to_set(ada):
    answer = ada.http.post("/v1/sessions/s/summary", json={})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "LLM not configured — set LLM_API_KEY to enable episodic memory"
