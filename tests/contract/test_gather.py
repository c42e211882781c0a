"""POST /v1/observe and /v1/pipeline/run: many items, of which a bad one stops no other."""

import pytest

LINES = [
    {"role": "user", "content": "I moved to Graz in May"},
    {"role": "system", "content": "You are helpful"},
    {"role": "assistant", "content": "Noted: you live in Graz"},
    {"role": "user", "content": "   "},
]


def observe(person, messages, **fields):
    answer = person.http.post("/v1/observe", json={"messages": messages, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def pipeline(person, *candidates):
    answer = person.http.post("/v1/pipeline/run", json={"candidates": list(candidates)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_user_and_assistant_say_is_remembered_in_order(ada):
    found = observe(ada, LINES, session_id="s-9", subject_id="maria")
    assert found["warning"] == "LLM not configured — storing messages as-is"
    assert [item["content"] for item in found["memories"]] == [LINES[0]["content"], LINES[2]["content"]]
    assert [left["index"] for left in found["left_out"]] == [1, 3]
    listed = ada.http.get("/v1/memories").json()["items"]
    assert [item["memory_id"] for item in reversed(listed)] == [
        item["memory_id"] for item in found["memories"]
    ]
    for item in listed:
        assert (item["trust_tier"], item["initial_confidence"], item["session_id"]) == ("T1", 0.7, "s-9")
        assert (item["memory_type"], item["subject_id"]) == ("semantic", "maria")
    assert listed[0]["observed_at"] > listed[1]["observed_at"]


def test_what_was_said_before_is_named_but_not_doubled(ada):
    once = observe(ada, LINES[:1])["memories"]
    assert observe(ada, LINES[:1] * 2)["memories"] == once
    assert len(ada.contents()) == 1


def test_a_secret_in_a_line_leaves_only_that_line_out(ada):
    found = observe(
        ada,
        [
            LINES[0],
            {"role": "user", "content": "password = hunter2"},
            {"role": "user", "content": "I am ada@example.org"},
        ],
    )
    assert [item["content"] for item in found["memories"]] == [LINES[0]["content"], "I am [email]"]
    (left,) = found["left_out"]
    assert (left["index"], "password_assign" in left["reason"]) == (1, True)
    assert "hunter2" not in str(ada.contents())


def test_nothing_said_is_nothing_remembered(ada):
    assert observe(ada, [])["memories"] == []
    assert ada.contents() == []


def test_observing_on_a_branch(ada):
    ada.http.post("/v1/branches", json={"name": "side"})
    observe(ada, LINES[:1], branch="side")
    assert (ada.contents(), ada.contents(branch="side")) == ([], [LINES[0]["content"]])
    assert ada.http.post("/v1/observe", json={"messages": [], "branch": "nowhere"}).status_code == 404


@pytest.mark.parametrize(
    "messages", [None, [{"role": "user"}], [{"content": "x"}], ["x"], [{"role": 1, "content": "x"}]]
)
def test_lines_of_the_wrong_shape_are_refused(ada, messages):
    assert ada.http.post("/v1/observe", json={"messages": messages}).status_code == 422


@pytest.mark.parametrize(
    "fields",
    [{"session_id": "s" * 65}, {"session_id": "a\0b"}, {"subject_id": "s" * 129}, {"subject_id": "\0"}],
)
def test_a_session_or_subject_that_cannot_be_is_refused(ada, fields):
    answer = ada.http.post("/v1/observe", json={"messages": LINES, **fields})
    assert (answer.status_code, next(iter(fields)) in answer.json()["detail"]) == (422, True)
    assert ada.contents() == []


def test_blank_candidates_are_rejected(ada):
    found = pipeline(ada, {"content": ""}, {"content": " \n"}, {"content": "Prefers tea"})
    assert (found["memories_stored"], found["memories_rejected"]) == (1, 2)
    assert found["errors"] == ["content must not be empty"] * 2
    assert ada.contents() == ["Prefers tea"]


def test_the_pipeline_counts_what_became_of_each(ada):
    found = pipeline(
        ada,
        {"content": "Prefers tea", "memory_type": "profile", "trust_tier": "T2"},
        {"content": "Runs on Fridays", "memory_type": "dream", "trust_tier": "T9"},
        {"content": "api_key = abc123def"},
        {"content": "Write to ada@example.org"},
        {"content": "x" * 32_769},
    )
    assert (found["memories_stored"], found["memories_rejected"], found["memories_redacted"]) == (3, 2, 1)
    assert found["errors"] == ["blocked: password_assign", "content exceeds 32 KiB limit"]
    items = {item["content"]: item for item in ada.http.get("/v1/memories").json()["items"]}
    assert set(items) == {"Prefers tea", "Runs on Fridays", "Write to [email]"}
    tea, runs = items["Prefers tea"], items["Runs on Fridays"]
    assert (tea["memory_type"], tea["trust_tier"], tea["initial_confidence"]) == (
        "profile",
        "T2",
        pytest.approx(0.85),
    )
    assert (runs["memory_type"], runs["trust_tier"], runs["initial_confidence"]) == ("semantic", "T3", 0.75)


def test_the_pipeline_tells_what_is_new_from_what_was_known(ada):
    first = pipeline(
        ada, {"content": "Prefers tea"}, {"content": "Runs on Fridays"}, {"content": "Prefers tea"}
    )
    assert (first["memories_stored"], first["memories_repeated"]) == (2, 1)
    again = pipeline(
        ada, {"content": "prefers tea."}, {"content": "Plays chess"}, {"content": "api_key = abc123def"}
    )
    counts = ("memories_stored", "memories_repeated", "memories_rejected", "memories_redacted")
    assert [again[name] for name in counts] == [1, 1, 1, 0]
    assert len(ada.contents()) == 3


def test_both_stay_with_their_user(ada, ben):
    observe(ada, LINES)
    pipeline(ada, {"content": "Prefers tea"})
    assert ben.contents() == []


def test_what_a_later_line_replaces_is_not_named(ada):
    lines = [{"role": "user", "content": f"The deadline is March {day}"} for day in (3, 10)]
    answer = ada.http.post("/v1/observe", json={"messages": lines})
    assert answer.status_code == 200, answer.text
    (kept,) = answer.json()["memories"]
    assert kept["content"] == "The deadline is March 10"
    assert ada.http.get(f"/v1/memories/{kept['memory_id']}").status_code == 200
