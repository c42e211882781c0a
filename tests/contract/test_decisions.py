"""What storing makes of news, repetitions and contradictions."""

from concurrent.futures import ThreadPoolExecutor

import pytest


def store(person, content, **fields):
    return person.store(content, **fields)


def one(person, memory_id, **query):
    return person.http.get(f"/v1/memories/{memory_id}", params=query)


def test_news_replaces_what_it_is_news_of(ada):
    old = store(ada, "The deadline is March 3")
    new = store(ada, "The deadline was moved to March 10")
    assert new["decision"] == {
        "action": "update",
        "memory_id": old["memory_id"],
        "reason": "another value of the same attribute",
    }
    assert ada.contents() == ["The deadline was moved to March 10"]
    history = ada.http.get(f"/v1/memories/{new['memory_id']}/history").json()
    assert [version["content"] for version in history["versions"]] == [old["content"], new["content"]]


def test_a_contradiction_keeps_both_and_says_so(ada):
    old = store(ada, "Deploys are allowed on Fridays")
    new = store(ada, "Deploys are not allowed on Fridays")
    assert (new["decision"]["action"], new["decision"]["memory_id"]) == ("conflict", old["memory_id"])
    assert len(ada.contents()) == 2
    assert one(ada, old["memory_id"]).json()["conflicts_with"] == [new["memory_id"]]
    assert one(ada, new["memory_id"]).json()["conflicts_with"] == [old["memory_id"]]
    store(ada, "Lunch is at noon")
    lists = (
        ada.http.get("/v1/memories").json()["items"],
        ada.http.post("/v1/memories/query", json={"memory_types": ["semantic"]}).json()["items"],
        ada.http.post("/v1/memories/fulltext-search", json={"query": "Fridays noon"}).json(),
    )
    for items in lists:
        found = {item["memory_id"]: item["conflicts_with"] for item in items if "conflicts_with" in item}
        assert found == {old["memory_id"]: [new["memory_id"]], new["memory_id"]: [old["memory_id"]]}
        assert len(items) == 3


def test_both_sides_of_a_contradiction_are_found_the_newer_first(ada):
    older, newer = (
        store(ada, text)["content"] for text in ("User likes coffee", "User does not like coffee")
    )
    for query in ("coffee", "likes coffee"):
        answer = ada.http.post("/v1/memories/retrieve", json={"query": query}).json()
        assert [found["content"] for found in answer] == [newer, older]


def test_retrieval_names_what_disagrees(ada):
    old = store(ada, "Deploys are allowed on Fridays")["memory_id"]
    new = store(ada, "Deploys are not allowed on Fridays")["memory_id"]
    ask = {"query": "Are deploys allowed on Fridays?", "top_k": 1}

    def asked(**fields):
        answer = ada.http.post("/v1/memories/retrieve", json={**ask, "explain": True, **fields}).json()
        return [m.get("conflicts_with") for m in answer["results"]], answer["explain"].get("conflicts")

    (found,) = ada.http.post("/v1/memories/retrieve", json=ask).json()
    assert found["conflicts_with"] == [
        {old: new, new: old}[found["memory_id"]]
    ]  # the other one, not found itself
    reason = asked()[1][0].pop("reason")
    assert reason
    assert asked(top_k=5)[1] == [{"memory_id": new, "other_id": old, "reason": reason}]
    # Each branch names what it holds itself; what is forgotten disagrees with nothing.
    assert ada.http.post("/v1/branches", json={"name": "before"}).status_code == 201
    assert ada.http.delete(f"/v1/memories/{old}").status_code == 204
    assert asked() == ([None], None)
    assert "conflicts_with" not in one(ada, new).json()
    assert asked(branch="before")[1] == [{"memory_id": new, "other_id": old, "reason": reason}]
    assert one(ada, new, branch="before").json()["conflicts_with"] == [old]


def test_a_less_trusted_source_never_replaces(ada):
    old = store(ada, "The deadline is March 3", trust_tier="T1")
    new = store(ada, "The deadline is March 10", trust_tier="T4")
    assert new["decision"]["action"] == "conflict"
    assert "less trusted" in new["decision"]["reason"]
    assert one(ada, old["memory_id"]).json()["is_active"] is True


def test_the_same_in_other_punctuation_is_a_repetition(ada):
    first = store(ada, "The user likes tea.")
    again = store(ada, "the user likes tea")
    assert (again["memory_id"], again["decision"]["action"]) == (first["memory_id"], "duplicate")
    assert "decision" not in first
    assert ada.contents() == ["The user likes tea."]


def test_a_batch_is_decided_item_by_item(ada):
    items = ["The port is 7001", "Alice owns billing", "The port is 8001", "The port is 8001"]
    answer = ada.http.post("/v1/memories/batch", json={"memories": [{"content": text} for text in items]})
    assert answer.status_code == 201, answer.text
    actions = [item.get("decision", {}).get("action", "new") for item in answer.json()]
    assert actions == ["new", "new", "update", "duplicate"]
    assert ada.contents() == ["Alice owns billing", "The port is 8001"]


def test_a_batch_says_of_each_item_what_a_reader_finds_afterwards(ada):
    known = store(ada, "The owner is Tim")
    items = [
        "The port is 7001",
        "The owner is Tim",
        "The port is 8001",
        "The owner is Ann",
        "The port is 7001",
    ]
    answer = ada.http.post("/v1/memories/batch", json={"memories": [{"content": text} for text in items]})
    first, tim, second, ann, third = answer.json()
    actions = [item.get("decision", {}).get("action", "new") for item in answer.json()]
    assert actions == ["new", "duplicate", "update", "update", "update"]
    assert (tim["memory_id"], tim["superseded_by"]) == (known["memory_id"], ann["memory_id"])
    assert (first["superseded_by"], second["superseded_by"]) == (second["memory_id"], third["memory_id"])
    for item in answer.json():
        found = one(ada, item["memory_id"])
        assert item["is_active"] is (found.status_code == 200) is ("superseded_by" not in item)
    assert ada.contents() == ["The owner is Ann", "The port is 7001"]
    versions = ada.http.get(f"/v1/memories/{third['memory_id']}/history").json()["versions"]
    assert [version["memory_id"] for version in versions] == [
        item["memory_id"] for item in (first, second, third)
    ]


def test_what_is_wrong_with_a_batch_is_said_item_by_item_and_nothing_is_stored(ada):
    items = [
        {"content": "Prefers tea"},
        {"content": "x", "memory_type": "dream"},
        {"content": "password = hunter2"},
        {"content": "x" * 40_000},
        {"content": "x", "subject_id": "s" * 200},
        {"content": "x", "session_id": "s" * 65},
        {"content": "x", "trust_tier": "T9"},
    ]
    answer = ada.http.post("/v1/memories/batch", json={"memories": items})
    assert (answer.status_code, answer.json()["detail"]) == (422, "Invalid memory type: dream")
    faults = answer.json()["items"]
    assert [fault["index"] for fault in faults] == [1, 2, 3, 4, 5, 6]
    assert [fault["code"] for fault in faults] == ["invalid", "blocked", *["invalid"] * 4]
    assert faults[1]["detail"] == "Blocked: Memory blocked: contains sensitive content (password_assign)"
    assert "hunter2" not in answer.text
    assert ada.contents() == []
    blocked = ada.http.post("/v1/memories/batch", json={"memories": [items[0], items[2]]})
    assert (blocked.status_code, [fault["index"] for fault in blocked.json()["items"]]) == (403, [1])
    assert "items" not in ada.http.post("/v1/memories", json=items[2]).json()


def test_sessions_subjects_and_branches_are_apart(ada):
    store(ada, "The deadline is March 3", session_id="s1")
    assert "decision" not in store(ada, "The deadline is March 10", session_id="s2")
    assert "decision" not in store(ada, "The deadline is March 11", subject_id="maria")
    ada.http.post("/v1/branches", json={"name": "side"})
    on_side = store(ada, "The deadline is March 12", session_id="s1", branch="side")
    assert on_side["decision"]["action"] == "update"
    assert "The deadline is March 3" in ada.contents()
    assert "The deadline is March 3" not in ada.contents(branch="side")


def test_an_update_is_undone_by_going_back(ada):
    store(ada, "The user lives in Berlin")
    ada.http.post("/v1/snapshots", json={"name": "before"})
    store(ada, "The user moved to Munich")
    assert ada.http.post("/v1/snapshots/before/rollback").status_code == 200
    assert ada.contents() == ["The user lives in Berlin"]


def test_simultaneous_identical_stores_leave_one(ada):
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: store(ada, "The deadline is March 3")["memory_id"], range(16)))
    assert len(ids) == 1
    assert ada.contents() == ["The deadline is March 3"]


def test_simultaneous_news_leave_one(ada):
    store(ada, "The deadline is March 3")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: store(ada, f"The deadline is April {n}"), range(1, 7)))
    assert len(ada.contents()) == 1


def test_batches_beside_snapshots_merges_and_rollbacks_are_whole(ada):
    """Whatever happens to the database meanwhile: every batch is there as a whole or not at all."""
    for name in ("exp", "more"):
        ada.http.post("/v1/branches", json={"name": name})
        store(ada, f"Something about {name}", branch=name)

    def batch(number):
        items = [{"content": f"Batch {number} has item {n} of five"} for n in range(5)]
        return ada.http.post("/v1/memories/batch", json={"memories": items}).status_code

    def turn(number):
        name = f"s{number}"
        posts = [
            ("/v1/snapshots", {"name": name}),
            ("/v1/branches/exp/merge", {}),
            ("/v1/branches/more/merge", {}),
        ]
        answers = [ada.http.post(path, json=body) for path, body in posts]
        return [each.status_code for each in (*answers, ada.http.post(f"/v1/snapshots/{name}/rollback"))]

    with ThreadPoolExecutor(4) as pool:
        turns = pool.map(turn, range(3))
        assert set(pool.map(batch, range(20))) == {201}
        assert [code for codes in turns for code in codes] == [201, 200, 200, 200] * 3
    for at in (None, "s0", "s1", "s2"):
        seen = [text.split()[1] for text in ada.contents(**({"at": at} if at else {})) if "Batch" in text]
        assert all(seen.count(number) == 5 for number in seen)
    assert len(set(ada.contents())) == len(ada.contents())
    totals = ada.http.get("/v1/health/storage").json()
    assert totals["active"] == len(ada.contents())


def test_ones_news_leaves_the_other_ones_memory_alone(ada, ben):
    store(ada, "The deadline is March 3")
    assert "decision" not in store(ben, "The deadline is March 10")
    assert ada.contents() == ["The deadline is March 3"]


@pytest.mark.parametrize(
    "text", ["user: the deadline is March {}", "Is the deadline March {}?", "Invoice {} was paid"]
)
def test_lines_questions_and_numbered_things_are_simply_kept(ada, text):
    for n in (3, 10):
        assert "decision" not in store(ada, text.format(n))
    assert len(ada.contents()) == 2


def test_what_is_repeated_does_not_fade(ada):
    old = "2020-01-01T00:00:00+00:00"
    for text in ("The canteen closes early", "The gym closes early"):
        store(ada, text, trust_tier="T3", observed_at=old)
    store(ada, "The gym closes early", trust_tier="T3")
    assert ada.http.post("/v1/governance", json={"force": True}).json()["quarantined"] == 1
    assert ada.contents() == ["The gym closes early"]
