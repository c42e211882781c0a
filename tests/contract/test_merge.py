"""Merging a branch into main: endpoint 48, with every kind of conflict."""

import pytest

TEA = "Prefers green tea in the morning"
DEPLOY = "Deploys run from the blue cluster"
BEES = "Keeps bees behind the house"
CHESS = "Plays chess on Sundays"
OF = {"exp": "Switched to black coffee at noon", "main": "Drinks plain water only"}
REPORT = "The harbour office wants the quarterly report on the second Friday of every third month at {}"


def post(person, path, **body):
    answer = person.http.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def get(person, path, **query):
    answer = person.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def fork(person, name="exp", **source):
    answer = post(person, "/v1/branches", name=name, **source)
    assert answer["result"] == f"Created branch '{name}'"


def merge(person, name="exp", **body):
    return post(person, f"/v1/branches/{name}/merge", **body)


def change(person, how, memory_id, branch="main"):
    """Edit (to the text of that branch), purge, or leave a memory."""
    path = f"/v1/memories/{memory_id}"
    if how == "edited":
        answer = person.http.put(f"{path}/correct", json={"new_content": OF[branch], "branch": branch})
        assert answer.status_code == 200, answer.text
    elif how == "purged":
        answer = person.http.delete(path, params={"branch": branch})
        assert answer.status_code == 204, answer.text


def conflicts(person, name="exp"):
    shown = get(person, f"/v1/branches/{name}/diff-items")["conflicts"]
    return [item["memory_id"] for item in shown]


@pytest.mark.parametrize("strategy", [None, "accept", "replace", "append"])
def test_merge_brings_new_memories_once_and_keeps_the_branch(ada, strategy):
    body = {"strategy": strategy} if strategy else {}
    ada.store(TEA)
    fork(ada)
    first, second = ada.store(BEES, branch="exp"), ada.store(DEPLOY, branch="exp")
    ada.store(CHESS)
    done = merge(ada, **body)
    assert done["result"] == "Merged branch 'exp' into main (2 new, 0 replaced, 0 skipped)"
    again = merge(ada, **body)
    assert again["result"] == "Merged branch 'exp' into main (0 new, 0 replaced, 0 skipped)"
    assert sorted(ada.contents()) == sorted([TEA, BEES, DEPLOY, CHESS])
    assert ada.contents(branch="exp") == [TEA, BEES, DEPLOY]
    for memory in (first, second):
        assert get(ada, f"/v1/memories/{memory['memory_id']}")["content"] == memory["content"]
    branches = get(ada, "/v1/branches")["branches"]
    assert [(item["name"], item["active"]) for item in branches] == [("main", True), ("exp", False)]


@pytest.mark.parametrize("strategy", ["append", "replace"])
@pytest.mark.parametrize(
    ("on_branch", "on_main", "append", "replace", "is_conflict"),
    [
        ("edited", "edited", ["main"], ["exp"], True),
        ("edited", "purged", [], ["exp"], True),
        ("purged", "edited", ["main"], [], True),
        ("purged", "purged", [], [], False),
        ("edited", None, ["exp"], ["exp"], False),
        (None, "edited", ["main"], ["main"], False),
        ("purged", None, [], [], False),
        (None, "purged", [], [], False),
    ],
)
def test_both_sides_of_a_memory_come_to_one(ada, strategy, on_branch, on_main, append, replace, is_conflict):
    memory_id = ada.store(TEA)["memory_id"]
    fork(ada)
    change(ada, on_branch, memory_id, "exp")
    change(ada, on_main, memory_id, "main")
    ada.store(BEES, branch="exp")  # comes along whatever happens to the other one
    assert conflicts(ada) == ([memory_id] if is_conflict else [])
    text = merge(ada, strategy=strategy)["result"]
    left = append if strategy == "append" else replace
    assert sorted(ada.contents()) == sorted([BEES, *(OF[side] for side in left)])
    skipped = 1 if is_conflict and strategy == "append" else 0
    assert text.endswith(f"{skipped} skipped)")


@pytest.mark.parametrize(("strategy", "cups"), [("append", 3), ("replace", 2)])
def test_metadata_edited_on_both_sides_is_a_conflict(ada, strategy, cups):
    memory_id = ada.store(TEA, extra_metadata={"cups": 1})["memory_id"]
    fork(ada)
    ada.store(TEA, extra_metadata={"cups": 2}, branch="exp")
    ada.store(TEA, extra_metadata={"cups": 3})
    assert conflicts(ada) == [memory_id]
    merge(ada, strategy=strategy)
    (memory,) = get(ada, "/v1/memories")["items"]
    assert (memory["memory_id"], memory["extra_metadata"]) == (memory_id, {"cups": cups})


@pytest.mark.parametrize(("strategy", "winner"), [("append", "first"), ("replace", "second")])
def test_two_branches_correct_one_memory(ada, strategy, winner):
    memory_id = ada.store(TEA)["memory_id"]
    texts = {"first": "Switched to black coffee at noon", "second": "Drinks plain water only"}
    for name, text in texts.items():
        fork(ada, name)
        body = {"new_content": text, "branch": name}
        assert ada.http.put(f"/v1/memories/{memory_id}/correct", json=body).status_code == 200
    merge(ada, "first", strategy=strategy)
    assert ada.contents() == [texts["first"]]
    assert conflicts(ada, "second") == [memory_id]
    merge(ada, "second", strategy=strategy)
    assert ada.contents() == [texts[winner]]


def test_merged_memories_are_whole(ada):
    fork(ada)
    fields = {
        "memory_type": "profile",
        "trust_tier": "T3",
        "session_id": "s1",
        "subject_id": "cust-1",
        "extra_metadata": {"a": [1]},
        "observed_at": "2026-01-02T00:00:00Z",
    }
    memory_id = ada.store(TEA, branch="exp", **fields)["memory_id"]
    there = get(ada, f"/v1/memories/{memory_id}", branch="exp")
    merge(ada)
    assert get(ada, f"/v1/memories/{memory_id}") == there
    found = post(ada, "/v1/memories/retrieve", query="green tea", subject_id="cust-1")
    assert [item["memory_id"] for item in found] == [memory_id]


def test_a_near_twin_of_main_takes_its_place_or_stays_beside_it(ada):
    fork(ada)
    of_main = ada.store(REPORT.format("noon"))["memory_id"]
    ada.store(REPORT.format("dusk"), branch="exp")
    text = merge(ada, strategy="replace")["result"]
    assert text == "Merged branch 'exp' into main (0 new, 1 replaced, 0 skipped)"
    (memory,) = get(ada, "/v1/memories")["items"]
    assert (memory["memory_id"], memory["content"]) == (of_main, REPORT.format("dusk"))
    found = post(ada, "/v1/memories/retrieve", query="quarterly report at dusk")
    assert [item["content"] for item in found] == [REPORT.format("dusk")]


def test_append_never_overwrites_a_near_twin(ada):
    fork(ada)
    ada.store(REPORT.format("noon"))
    ada.store(REPORT.format("dusk"), branch="exp")
    text = merge(ada, strategy="append")["result"]
    assert text == "Merged branch 'exp' into main (1 new, 0 replaced, 0 skipped)"
    assert ada.contents() == [REPORT.format("noon"), REPORT.format("dusk")]


def test_merge_onto_an_empty_main(ada):
    memory_id = ada.store(TEA)["memory_id"]
    fork(ada)
    ada.store(BEES, branch="exp")
    change(ada, "purged", memory_id)
    assert ada.contents() == []
    merge(ada)
    assert ada.contents() == [BEES]


def test_merge_of_a_branch_without_changes_does_nothing(ada):
    fork(ada)
    ada.store(TEA)
    assert merge(ada)["result"] == "Merged branch 'exp' into main (0 new, 0 replaced, 0 skipped)"
    assert ada.contents() == [TEA]


def test_what_main_does_after_a_merge_stays_at_the_next_one(ada):
    memory_id = ada.store(TEA)["memory_id"]
    fork(ada)
    added = ada.store(BEES, branch="exp")["memory_id"]
    merge(ada)
    change(ada, "edited", memory_id)
    change(ada, "purged", added)
    ada.store(CHESS, branch="exp")
    assert conflicts(ada) == []
    assert merge(ada)["result"].startswith("Merged branch 'exp' into main (1 new,")
    assert ada.contents() == [OF["main"], CHESS]


def test_further_work_on_a_branch_merges_again(ada):
    fork(ada)
    added = ada.store(TEA, branch="exp")["memory_id"]
    merge(ada)
    change(ada, "edited", added, "exp")
    merge(ada, strategy="append")
    assert ada.contents() == [OF["exp"]]


def test_merge_after_a_rollback_of_main(ada):
    ada.store(TEA)
    post(ada, "/v1/snapshots", name="then")
    fork(ada)
    ada.store(BEES, branch="exp")
    ada.store(CHESS)
    post(ada, "/v1/snapshots/then/rollback")
    assert conflicts(ada) == []
    assert merge(ada)["result"] == "Merged branch 'exp' into main (1 new, 0 replaced, 0 skipped)"
    assert ada.contents() == [TEA, BEES]


def test_merge_of_corrections_after_a_rollback_of_main(ada):
    memory_id = ada.store(TEA)["memory_id"]
    post(ada, "/v1/snapshots", name="then")
    fork(ada)
    change(ada, "edited", memory_id, "exp")
    change(ada, "edited", memory_id)
    post(ada, "/v1/snapshots/then/rollback")
    assert conflicts(ada) == []  # main is again what the branch started from
    merge(ada, strategy="append")
    assert ada.contents() == [OF["exp"]]


@pytest.mark.parametrize("strategy", ["append", "replace"])
def test_a_merge_can_be_undone(ada, strategy):
    memory_id = ada.store(TEA)["memory_id"]
    fork(ada)
    change(ada, "edited", memory_id, "exp")
    ada.store(BEES, branch="exp")
    done = merge(ada, strategy=strategy)
    post(ada, f"/v1/snapshots/{done['restore_point']}/rollback")
    assert ada.contents() == [TEA]
    assert set(ada.contents(branch="exp")) == {OF["exp"], BEES}
    assert get(ada, "/v1/snapshots")["snapshots"] == []
    assert get(ada, "/v1/snapshots", include="automatic")["total"] >= 1


def test_an_undone_merge_can_be_made_again(ada):
    fork(ada)
    ada.store(BEES, branch="exp")
    done = merge(ada)
    post(ada, f"/v1/snapshots/{done['restore_point']}/rollback")
    shown = get(ada, "/v1/branches/exp/diff-items")["added"]
    assert [item["content"] for item in shown] == [BEES]
    assert merge(ada)["result"] == "Merged branch 'exp' into main (1 new, 0 replaced, 0 skipped)"
    assert ada.contents() == [BEES]


def test_an_undone_merge_that_is_redone_is_merged(ada):
    """Going forward again to after the merge: the branch has nothing to bring any more."""
    fork(ada)
    ada.store(BEES, branch="exp")
    done = merge(ada)
    undone = post(ada, f"/v1/snapshots/{done['restore_point']}/rollback")
    post(ada, f"/v1/snapshots/{undone['restore_point']}/rollback")
    assert ada.contents() == [BEES]
    assert get(ada, "/v1/branches/exp/diff")["result"] == "No changes in branch 'exp' vs main."
    assert merge(ada)["result"] == "Merged branch 'exp' into main (0 new, 0 replaced, 0 skipped)"


def test_a_merge_that_brings_nothing_leaves_no_trace(ada):
    ada.store(TEA)
    fork(ada)
    before = get(ada, "/v1/log")
    assert "restore_point" not in merge(ada)
    assert get(ada, "/v1/log") == before
    assert get(ada, "/v1/snapshots", include="automatic")["total"] == 0


def test_merge_from_the_checked_out_branch_stays_there(ada):
    fork(ada)
    post(ada, "/v1/branches/exp/checkout")
    ada.store(TEA)
    merge(ada)
    assert ada.contents(branch="main") == [TEA]
    assert get(ada, "/v1/branches")["result"] == "Branches:\nmain\nexp ← active"


def test_two_branches_merge_one_after_the_other(ada):
    fork(ada, "one")
    fork(ada, "two")
    ada.store(TEA, branch="one")
    ada.store(BEES, branch="two")
    merge(ada, "one")
    merge(ada, "two")
    assert ada.contents() == [TEA, BEES]
    assert ada.contents(branch="two") == [BEES]


def test_history_goes_on_through_a_merge(ada):
    memory_id = ada.store(TEA)["memory_id"]
    fork(ada)
    change(ada, "edited", memory_id, "exp")
    merge(ada)
    versions = get(ada, f"/v1/memories/{memory_id}/history")["versions"]
    assert [(v["content"], v["is_active"]) for v in versions] == [(TEA, False), (OF["exp"], True)]


def test_an_unknown_strategy_is_refused(ada):
    fork(ada)
    ada.store(TEA, branch="exp")
    for strategy in ("", "Append", "ours"):
        answer = ada.http.post("/v1/branches/exp/merge", json={"strategy": strategy})
        text = f"Validation error: Unsupported merge strategy '{strategy}'. Use append, replace, or accept."
        assert (answer.status_code, answer.json()["detail"]) == (422, text)
    assert ada.contents() == []


def test_an_unknown_branch_cannot_be_merged(ada):
    answer = ada.http.post("/v1/branches/nowhere/merge", json={})
    assert (answer.status_code, answer.json()["detail"]) == (404, "Memory not found: Branch 'nowhere'")
    assert ada.http.post("/v1/branches/main/merge", json={}).status_code in (404, 422)


def test_more_than_5000_new_memories_are_too_many(ada):
    fork(ada)
    for start in range(0, 5001, 100):
        batch = [{"content": f"n{number}"} for number in range(start, min(start + 100, 5001))]
        post(ada, "/v1/memories/batch", memories=batch, branch="exp")
    assert merge(ada, strategy="append")["result"] == (
        "Too many changes (5001). Max 5000. Reduce branch scope."
    )
    assert ada.contents() == []
