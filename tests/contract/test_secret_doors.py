"""A secret is refused, and personal data masked, at every door through which text comes to stay."""

import json
import random
import sqlite3
import string
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from tests import engine
from tests.language_model import KEY

EMAIL = "ada.lovelace@example.org"


@pytest.fixture
def password():
    """Another one for each test, so that what others left is not taken for ours."""
    return f"hunter2-{uuid.uuid4().hex[:8]}"


def everything(server):
    """All that a server keeps and logs, as one text."""
    shown = server.log.read_text(errors="replace")
    if engine.SERVER is not None:
        program = ["mariadb-dump", "--no-defaults", "-uroot", f"-S{engine.SERVER.socket}", "--all-databases"]
        return (
            shown
            + subprocess.run(program, check=True, capture_output=True, text=True, errors="replace").stdout
        )
    for path in Path(server.environment["MEMORIA_DATA_DIR"]).rglob("*"):
        if path.is_file() and path.stat().st_size and path.read_bytes()[:6] == b"SQLite":
            with sqlite3.connect(path) as connection:
                shown += "\n".join(connection.iterdump())
    return shown


def test_what_a_caller_sends_is_refused_at_every_door(server, ada, ops, password):
    said = f"the password is {password}"
    memory_id = ada.store("Deploys run from the blue cluster", session_id="s1")["memory_id"]
    path = f"/v1/memories/{memory_id}"
    ada.store(f"Deploys of {EMAIL} are frozen")
    told = [{"memory_id": memory_id, "entities": [{"name": said}]}]
    pair = {"name": "PGPASSWORD", "value": password}
    doors = [
        ("POST", "/v1/memories", {"content": said}),
        ("POST", "/v1/memories", {"content": "x1", "extra_metadata": {"db": {"password": {"value": password}}}}),
        ("POST", "/v1/memories", {"content": "x2", "extra_metadata": {said: 1}}),
        ("POST", "/v1/memories", {"content": "x3", "extra_metadata": {"env": [pair]}}),
        ("POST", "/v1/memories", {"content": "x4", "session_id": said}),
        ("POST", "/v1/memories", {"content": "x5", "subject_id": said}),
        ("POST", "/v1/memories/batch", {"memories": [{"content": "fine"}, {"content": said}]}),
        ("PUT", f"{path}/correct", {"new_content": said}),
        ("PUT", f"{path}/correct", {"new_content": "Deploys run from green", "reason": said}),
        ("POST", "/v1/memories/correct", {"query": "blue cluster", "new_content": "green", "reason": said}),
        ("POST", "/v1/memories/purge", {"memory_ids": [memory_id], "reason": said}),
        ("POST", f"{path}/feedback", {"signal": "useful", "context": said}),
        ("POST", "/v1/extract-entities/link", {"entities": told}),
        ("POST", "/v1/snapshots", {"name": f"password={password}"}),
        ("POST", "/v1/snapshots", {"name": "s", "description": said}),
        ("POST", "/v1/branches", {"name": said}),
    ]  # fmt: skip
    for method, door, body in doors:
        answer = ada.http.request(method, door, json=body)
        assert answer.status_code == 403, (door, answer.status_code, answer.text)
        assert "contains sensitive content (password_assign)" in answer.json()["detail"]
        assert password not in answer.text
    assert ada.http.delete(path, params={"reason": said}).status_code == 403
    assert ops.post("/auth/keys", json={"user_id": ada.user_id, "name": said}).status_code == 403
    observed = ada.http.post("/v1/observe", json={"messages": [{"role": "user", "content": said}]})
    piped = ada.http.post("/v1/pipeline/run", json={"candidates": [{"content": said}]})
    purged = ada.http.post("/v1/memories/purge", json={"topic": f"password {password}"})
    ada.http.get("/v1/memories", headers={"X-Memoria-Tool": f"password={password}"})
    tools = ada.http.get("/v1/tool-usage")
    assert observed.json()["left_out"][0]["reason"].endswith("(password_assign)")
    assert piped.json()["errors"] == ["blocked: password_assign"]
    assert purged.json() == {"purged": 0}
    for answer in (observed, piped, purged, tools):
        assert answer.status_code == 200
        assert password not in answer.text
    assert ada.contents() == ["Deploys run from the blue cluster", "Deploys of [email] are frozen"]
    kept = everything(server)
    assert password not in kept
    assert "blue cluster" in kept


def test_personal_data_is_masked_at_every_door(server, ada):
    email = f"{uuid.uuid4().hex[:8]}@example.org"
    stored = ada.store("Deploys run from blue", extra_metadata={"by": {email: [f"ask {email}"]}})
    assert (stored["extra_metadata"], stored["masked"]) == ({"by": {"[email]": ["ask [email]"]}}, ["email"])
    memory_id = stored["memory_id"]
    given = ada.http.post(
        f"/v1/memories/{memory_id}/feedback", json={"signal": "useful", "context": f"says {email}"}
    )
    assert given.json()["masked"] == ["email"]
    told = [{"memory_id": memory_id, "entities": [{"name": f"Ada <{email}>"}]}]
    linked = ada.http.post("/v1/extract-entities/link", json={"entities": told})
    assert linked.json()["masked"] == ["email"]
    corrected = ada.http.put(
        f"/v1/memories/{memory_id}/correct",
        json={"new_content": "Deploys run from green", "reason": f"by {email}"},
    ).json()
    assert corrected["masked"] == ["email"]
    observed = ada.http.post(
        "/v1/observe", json={"messages": [{"role": "user", "content": f"Write to {email}"}]}
    )
    assert observed.json()["memories"][0]["masked"] == ["email"]
    ada.http.delete(f"/v1/memories/{corrected['memory_id']}", params={"reason": f"asked by {email}"})
    purged = ada.http.post("/v1/memories/purge", json={"topic": "write to", "reason": f"asked by {email}"})
    assert (purged.json()["purged"], purged.json()["masked"]) == (1, ["email"])
    piped = ada.http.post("/v1/pipeline/run", json={"candidates": [{"content": f"Ask {email}"}]})
    assert (piped.json()["memories_redacted"], piped.json()["masked"]) == (1, ["email"])
    purged = ada.http.post("/v1/memories/purge", json={"topic": "ask [email]"})
    assert (purged.json()["purged"], "masked" in purged.json()) == (1, False)
    ada.store(f"Meet Ada at {email[:8]}", session_id="s1")
    purged = ada.http.post("/v1/memories/purge", json={"session_id": "s1", "reason": f"asked by {email}"})
    assert purged.json()["masked"] == ["email"]
    assert email not in everything(server)


def test_answers_say_nothing_of_masks_where_nothing_was_masked(ada):
    memory_id = ada.store("Deploys run from blue")["memory_id"]
    told = [{"memory_id": memory_id, "entities": [{"name": "Blue"}]}]
    answers = [
        ada.http.post(f"/v1/memories/{memory_id}/feedback", json={"signal": "useful", "context": "right"}),
        ada.http.post("/v1/extract-entities/link", json={"entities": told}),
        ada.http.post("/v1/pipeline/run", json={"candidates": [{"content": "Prefers tea"}]}),
        ada.http.post("/v1/memories/purge", json={"topic": "tea", "reason": "no more"}),
    ]
    assert not [answer.json() for answer in answers if not answer.is_success or "masked" in answer.json()]


def test_a_topic_to_forget_is_not_kept_where_it_holds_a_secret(ada):
    shared = "".join(random.Random(5).choices(string.ascii_letters + string.digits, k=44))
    memory_id = ada.store(f"public key {shared}")["memory_id"]
    assert ada.http.post("/v1/memories/purge", json={"topic": f"key {shared}"}).json()["purged"] == 1
    history = ada.http.get(f"/v1/memories/{memory_id}/history").json()
    assert history["versions"][-1]["reason"] == "topic:key [password_assign]"


def test_a_language_model_neither_hears_nor_says_secrets(with_model, model, password):
    client = with_model.user(f"maria-{time.time_ns()}")
    said = f"the password is {password}"
    model.says = json.dumps([{"content": said}, {"content": f"Write to {EMAIL}"}])
    body = {"messages": [{"role": "user", "content": f"{said}, write to {EMAIL}"}]}
    observed = client.post("/v1/observe", json=body)
    ((_, authorization, asked),) = model.asked
    assert authorization == f"Bearer {KEY}"
    assert password not in str(asked)
    assert EMAIL not in str(asked)
    assert [item["content"] for item in observed.json()["memories"]] == ["Write to [email]"]
    client.post("/v1/memories", json={"content": "Deploys were slow", "session_id": "s9"})
    model.says = json.dumps({"topic": "Deploys", "action": f"Asked {EMAIL}", "outcome": "They work"})
    summed = client.post("/v1/sessions/s9/summary", json={"sync": True})
    assert summed.json()["metadata"]["action"] == "Asked [email]"
    assert summed.json()["masked"] == ["email"]
    model.says = json.dumps({"topic": said, "action": "", "outcome": ""})
    refused = client.post("/v1/sessions/s9/summary", json={"sync": True})
    task = client.post("/v1/sessions/s9/summary", json={}).json()["task_id"]
    deadline = time.monotonic() + 15
    while (answer := client.get(f"/v1/tasks/{task}")).json()["status"] == "processing":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert refused.status_code == 403
    for each in (observed, summed, refused, answer):
        assert password not in each.text
        assert EMAIL not in each.text
    kept = everything(with_model)
    assert password not in kept
    assert EMAIL not in kept
