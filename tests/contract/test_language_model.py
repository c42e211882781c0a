"""Observing, reflecting and finding entities by a language model; what happens when it does not answer."""

import json
import time

import pytest

from tests.language_model import KEY

TALK = [
    {"role": "system", "content": "be nice"},
    {"role": "user", "content": "Hello! I have moved to Graz, and I always deploy on Mondays."},
    {"role": "assistant", "content": "Noted."},
]


@pytest.fixture
def maria(with_model):
    return with_model.user(f"maria-{time.time_ns()}")


def says(model, value):
    model.says = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def observe(client, **body):
    answer = client.post("/v1/observe", json={"messages": TALK, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def memories(client):
    return client.get("/v1/memories").json()["items"]


def test_a_model_says_what_is_worth_remembering(maria, model):
    noted = [
        {"type": "profile", "content": "Lives in Graz", "confidence": 1.7},
        {"type": "procedural", "content": "Deploys on Mondays"},
        {"type": "gossip", "content": "Says hello", "confidence": 0.4},
        {"type": "profile", "content": "   "},
        {"content": 7},
        "rubbish",
    ]
    says(model, f"```json\n{json.dumps(noted)}\n```")
    answer = observe(maria, session_id="s-1")
    assert "warning" not in answer
    assert [(m["content"], m["memory_type"]) for m in answer["memories"]] == [
        ("Lives in Graz", "profile"),
        ("Deploys on Mondays", "procedural"),
        ("Says hello", "semantic"),
    ]
    kept = {m["content"]: m for m in memories(maria)}
    assert {m["memory_id"] for m in answer["memories"]} == {m["memory_id"] for m in kept.values()}
    assert [
        round(kept[c]["initial_confidence"], 2) for c in ("Lives in Graz", "Deploys on Mondays", "Says hello")
    ] == [
        1.0,
        0.7,
        0.4,
    ]
    assert {(m["trust_tier"], m["session_id"]) for m in kept.values()} == {("T3", "s-1")}
    ((path, authorization, asked),) = model.asked
    assert (path, authorization) == ("/v1/chat/completions", f"Bearer {KEY}")
    told = asked["messages"][1]["content"]
    assert "moved to Graz" in told
    assert "be nice" not in told


def test_a_long_conversation_is_cut_from_its_end(maria, model):
    lines = [{"role": "user", "content": f"第{n}句。" + "很长的话" * 300} for n in range(40)]
    observe(maria, messages=lines)
    ((_, _, asked),) = model.asked
    told = asked["messages"][1]["content"]
    assert len(told) <= 6_000
    assert "第39句" in told
    assert "第19句" not in told
    assert memories(maria) == []  # [] is an answer: nothing was worth it


@pytest.mark.parametrize(
    "content", ["x" * 40_000, "lone \ud800", "nul \0", "", 5, None, ["a"], {"a": 1}], ids=map(str, range(8))
)
def test_odd_answers_of_a_model_are_never_our_failure(maria, model, content):
    """Observing, reflecting and finding entities take what is usable of an answer, and say what is not."""
    good = {"type": "semantic", "content": "Lives in Graz", "name": "Graz"}
    odd = [{"content": content, "name": content, "type": content, "confidence": 1e308}, good]
    model.says = json.dumps(odd)
    found = observe(maria)
    assert "Lives in Graz" in [m["content"] for m in found["memories"]]
    answer = maria.post("/v1/extract-entities", json={"mode": "internal"})
    assert (answer.status_code, answer.json()["status"] in ("done", "complete")) == (200, True), answer.text
    for text in ("one", "two", "three"):
        maria.post("/v1/memories", json={"content": f"Graz has part {text}", "session_id": "s"})
    assert maria.post("/v1/reflect", json={"mode": "internal", "force": True}).status_code == 200


def test_secrets_of_a_model_are_left_out(maria, model):
    says(
        model,
        {
            "memories": [
                {"content": "-----BEGIN RSA PRIVATE KEY-----\nMIIEow"},
                {"content": "Mail ada@example.org"},
            ]
        },
    )
    answer = observe(maria)
    assert [m["content"] for m in answer["memories"]] == ["Mail [email]"]
    (left,) = answer["left_out"]
    assert left["index"] == 0


@pytest.mark.parametrize(
    ("status", "delay", "text"),
    [
        (500, 0, "[]"),
        (200, 3, "[]"),
        (200, 0, "I am sorry, Dave"),
        (200, 0, '{"a": 1}'),
        (200, 0, "[" * 5000),
    ],
    ids=["error", "late", "prose", "object", "deep"],
)
def test_lines_are_kept_where_the_model_gives_no_answer(maria, model, status, delay, text):
    model.status, model.delay_seconds = status, delay
    says(model, text)
    answer = observe(maria)
    assert answer["warning"] == "LLM did not answer — storing messages as-is"
    assert [m["content"] for m in answer["memories"]] == [line["content"] for line in TALK[1:]]


def related(client):
    for n, session in enumerate(("s1", "s2", "s3")):
        told = {"content": f"The Bluebird cluster failed on Monday {n}", "session_id": session}
        assert client.post("/v1/memories", json=told).status_code == 201


def reflect(client, **body):
    answer = client.post("/v1/reflect", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_model_draws_insights_once_in_two_hours(maria, model):
    assert reflect(maria) == {"candidates": [], "scenes_created": 0}
    assert model.asked == []
    related(maria)
    says(
        model,
        [
            {"type": "procedural", "content": "Do not deploy to Bluebird on Mondays"},
            {"content": "x"},
            {"content": "y"},
        ],
    )
    assert reflect(maria) == {"scenes_created": 2, "candidates_found": 1}
    insight = next(m for m in memories(maria) if m["content"].startswith("Do not deploy"))
    assert (insight["trust_tier"], insight["memory_type"], insight["session_id"]) == (
        "T4",
        "procedural",
        None,
    )
    again = reflect(maria)
    assert again["skipped"] is True
    assert 7100 < again["cooldown_remaining_s"] <= 7200
    assert "candidates" in reflect(maria, mode="candidates")
    assert reflect(maria, force=True)["candidates_found"] >= 1


def test_clusters_are_offered_where_the_model_gives_no_answer(maria, model):
    related(maria)
    model.status = 500
    assert len(reflect(maria)["candidates"]) == 1
    assert maria.post("/v1/reflect", json={"mode": "internal"}).status_code == 503
    model.status = 200
    says(model, [{"content": "Bluebird fails on Mondays"}])
    assert reflect(maria, mode="internal")["scenes_created"] == 1  # the failure did not use up the run


def test_a_model_finds_entities(maria, model):
    maria.post("/v1/memories", json={"content": "we talked about the usual thing"})
    says(
        model,
        [{"name": " Usual Thing ", "type": "Project"}, {"name": ""}, {"type": "tech"}, {"name": "x" * 500}],
    )
    assert maria.post("/v1/extract-entities", json={}).json() == {
        "status": "done",
        "total_memories": 1,
        "entities_found": 1,
    }
    listed = maria.get("/v1/entities").json()["entities"]
    assert {"name": "usual thing", "entity_type": "project"} in listed
    assert maria.post("/v1/extract-entities", json={}).json() == {"status": "complete", "unlinked": 0}


def test_unlinked_memories_are_offered_where_the_model_gives_no_answer(maria, model):
    maria.post("/v1/memories", json={"content": "we talked about the usual thing"})
    model.status = 500
    assert maria.post("/v1/extract-entities", json={}).json()["status"] == "candidates"
    assert maria.post("/v1/extract-entities", json={"mode": "internal"}).status_code == 503
    assert maria.post("/v1/extract-entities", json={"mode": "candidates"}).json()["unlinked"] == 1


def test_what_a_model_says_of_one_user_reaches_nobody_else(maria, with_model, model):
    ben = with_model.user(f"ben-{time.time_ns()}")
    says(model, [{"content": "Lives in Graz"}])
    observe(maria)
    assert memories(ben) == []
    assert KEY not in with_model.log.read_text(errors="replace")
