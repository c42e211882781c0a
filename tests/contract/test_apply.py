"""Applying chosen items of a branch's diff to main: endpoint 50."""

import pytest

TEA = "Prefers green tea in the morning"
DEPLOY = "Deploys run from the blue cluster"
BEES = "Keeps bees behind the house"
CHESS = "Plays chess on Sundays"
COFFEE = "Switched to black coffee at noon"
WATER = "Drinks plain water only"
LISTS = [
    f"{done}_{what}"
    for what in ("adds", "updates", "removes", "conflicts")
    for done in ("applied", "skipped")
]


def post(person, path, **body):
    answer = person.http.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def fork(person, name="exp"):
    assert post(person, "/v1/branches", name=name)["result"] == f"Created branch '{name}'"


def correct(person, memory_id, text, branch="main"):
    body = {"new_content": text, "branch": branch}
    answer = person.http.put(f"/v1/memories/{memory_id}/correct", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["memory_id"]


def forget(person, memory_id, branch="main"):
    answer = person.http.delete(f"/v1/memories/{memory_id}", params={"branch": branch})
    assert answer.status_code == 204, answer.text


def apply(person, **chosen):
    """The lists of the answer that are not empty."""
    answer = post(person, "/v1/branches/exp/apply", **chosen)
    assert set(LISTS) <= answer.keys()
    return {name: answer[name] for name in LISTS if answer[name]}


def update(old, new):
    return {"old_id": old, "new_id": new}


def conflicts(person):
    shown = person.http.get("/v1/branches/exp/diff-items").json()["conflicts"]
    return [item["memory_id"] for item in shown]


def test_add_copies_the_memory_as_it_is(ada):
    fork(ada)
    fields = {"subject_id": "cust-1", "session_id": "s1", "extra_metadata": {"a": 1}, "trust_tier": "T3"}
    added = ada.store(TEA, branch="exp", **fields)["memory_id"]
    ada.store(BEES, branch="exp")
    there = ada.http.get(f"/v1/memories/{added}", params={"branch": "exp"}).json()
    assert apply(ada, adds=[added]) == {"applied_adds": [added]}
    assert ada.contents() == [TEA]
    assert ada.http.get(f"/v1/memories/{added}").json() == there
    assert [item["content"] for item in post(ada, "/v1/memories/retrieve", query="green tea")] == [TEA]


def test_update_replaces_the_old_memory(ada):
    old = ada.store(TEA)["memory_id"]
    fork(ada)
    new = correct(ada, old, COFFEE, branch="exp")
    assert apply(ada, updates=[update(old, new)]) == {"applied_updates": [f"{old}→{new}"]}
    assert ada.contents() == [COFFEE]
    versions = ada.http.get(f"/v1/memories/{old}/history").json()["versions"]
    assert [(v["memory_id"], v["superseded_by"]) for v in versions] == [(old, new), (new, None)]


def test_remove_forgets_the_memory(ada):
    gone, kept = ada.store(TEA)["memory_id"], ada.store(BEES)["memory_id"]
    fork(ada)
    forget(ada, gone, branch="exp")
    forget(ada, kept, branch="exp")
    assert apply(ada, removes=[gone]) == {"applied_removes": [gone]}
    assert ada.contents() == [BEES]


@pytest.mark.parametrize(
    ("on_branch", "on_main", "left"),
    [("edited", "edited", [COFFEE]), ("edited", "purged", [COFFEE]), ("purged", "edited", [])],
)
def test_an_accepted_conflict_ends_as_on_the_branch(ada, on_branch, on_main, left):
    contested = ada.store(TEA)["memory_id"]
    fork(ada)
    for how, text, branch in ((on_branch, COFFEE, "exp"), (on_main, WATER, "main")):
        if how == "edited":
            correct(ada, contested, text, branch)
        else:
            forget(ada, contested, branch)
    assert apply(ada, accept_branch_conflicts=[contested]) == {"applied_conflicts": [contested]}
    assert ada.contents() == left
    assert conflicts(ada) == []


def test_a_conflict_not_chosen_stays_one(ada):
    contested = ada.store(TEA)["memory_id"]
    fork(ada)
    added = ada.store(BEES, branch="exp")["memory_id"]
    correct(ada, contested, COFFEE, branch="exp")
    correct(ada, contested, WATER)
    apply(ada, adds=[added])
    assert set(ada.contents()) == {WATER, BEES}
    assert conflicts(ada) == [contested]


def test_all_kinds_at_once(ada):
    old, gone, contested = (ada.store(text)["memory_id"] for text in (TEA, DEPLOY, CHESS))
    fork(ada)
    added = ada.store(BEES, branch="exp")["memory_id"]
    new = correct(ada, old, COFFEE, branch="exp")
    forget(ada, gone, branch="exp")
    correct(ada, contested, "Plays bridge instead", branch="exp")
    correct(ada, contested, "Plays go instead")
    done = apply(
        ada,
        adds=[added, " "],
        updates=[update(old, new)],
        removes=[gone, ""],
        accept_branch_conflicts=[contested],
    )
    assert done == {
        "applied_adds": [added],
        "applied_updates": [f"{old}→{new}"],
        "applied_removes": [gone],
        "applied_conflicts": [contested],
    }
    assert set(ada.contents()) == {BEES, COFFEE, "Plays bridge instead"}
    diff = ada.http.get("/v1/branches/exp/diff").json()["result"]
    assert diff == "No changes in branch 'exp' vs main."


def test_what_was_applied_is_stale_the_second_time(ada):
    old, gone = ada.store(TEA)["memory_id"], ada.store(DEPLOY)["memory_id"]
    fork(ada)
    added = ada.store(BEES, branch="exp")["memory_id"]
    new = correct(ada, old, COFFEE, branch="exp")
    forget(ada, gone, branch="exp")
    chosen = {"adds": [added], "updates": [update(old, new)], "removes": [gone]}
    apply(ada, **chosen)
    again = apply(ada, **chosen, accept_branch_conflicts=[old])
    assert {name for name in again if name.startswith("applied")} <= {"applied_updates"}
    assert (again["skipped_adds"], again["skipped_removes"]) == ([added], [gone])
    assert again["skipped_conflicts"] == [old]
    assert set(ada.contents()) == {BEES, COFFEE}


def test_stale_items_are_skipped_and_the_others_applied(ada):
    updated, removed, contested = (ada.store(text)["memory_id"] for text in (TEA, DEPLOY, CHESS))
    fork(ada)
    fresh = ada.store(BEES, branch="exp")["memory_id"]
    withdrawn = ada.store("Paints in oil", branch="exp")["memory_id"]
    new = correct(ada, updated, COFFEE, branch="exp")
    forget(ada, removed, branch="exp")
    # after the diff was read
    forget(ada, withdrawn, branch="exp")
    correct(ada, updated, WATER)
    forget(ada, removed)
    done = apply(
        ada,
        adds=[fresh, withdrawn],
        updates=[update(updated, new)],
        removes=[removed],
        accept_branch_conflicts=[contested],
    )
    assert done == {
        "applied_adds": [fresh],
        "skipped_adds": [withdrawn],
        "skipped_updates": [f"{updated}→{new}"],
        "skipped_removes": [removed],
        "skipped_conflicts": [contested],
    }
    assert set(ada.contents()) == {CHESS, WATER, BEES}


def test_unknown_and_misplaced_items_are_skipped(ada):
    kept = ada.store(TEA)["memory_id"]
    fork(ada)
    nobody = "0" * 32
    done = apply(
        ada,
        adds=[nobody, kept],
        updates=[update(nobody, kept), update(kept, nobody)],
        removes=[nobody, kept],
        accept_branch_conflicts=[nobody, kept],
    )
    assert done == {
        "skipped_adds": [nobody, kept],
        "skipped_updates": [f"{nobody}→{kept}", f"{kept}→{nobody}"],
        "skipped_removes": [nobody, kept],
        "skipped_conflicts": [nobody, kept],
    }
    assert ada.contents() == ada.contents(branch="exp") == [TEA]


def test_applied_changes_are_no_conflict_later(ada):
    old = ada.store(TEA)["memory_id"]
    fork(ada)
    new = correct(ada, old, COFFEE, branch="exp")
    apply(ada, updates=[update(old, new)])
    correct(ada, new, WATER)
    assert conflicts(ada) == []
    post(ada, "/v1/branches/exp/merge", strategy="replace")
    assert ada.contents() == [WATER]


def test_an_empty_selection_changes_nothing(ada):
    fork(ada)
    ada.store(TEA, branch="exp")
    assert apply(ada) == {}
    assert apply(ada, adds=[], removes=["  "]) == {}
    assert ada.contents() == []


def test_apply_leaves_the_checkout_and_can_be_undone(ada):
    fork(ada)
    post(ada, "/v1/branches/exp/checkout")
    added = ada.store(TEA)["memory_id"]
    done = post(ada, "/v1/branches/exp/apply", adds=[added])
    assert ada.http.get("/v1/branches").json()["result"] == "Branches:\nmain\nexp ← active"
    (point,) = ada.http.get("/v1/snapshots", params={"include": "automatic"}).json()["snapshots"]
    assert point["snapshot_name"] == done["restore_point"]
    post(ada, f"/v1/snapshots/{done['restore_point']}/rollback")
    assert (ada.contents(branch="main"), ada.contents()) == ([], [TEA])


def test_only_a_branch_can_be_applied(ada):
    main = ada.http.post("/v1/branches/main/apply", json={})
    assert (main.status_code, main.json()["detail"]) == (400, "Cannot apply from main")
    unknown = ada.http.post("/v1/branches/nowhere/apply", json={})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "Branch not found: nowhere")


def test_a_selection_of_the_wrong_shape_is_refused(ada):
    fork(ada)
    for body in (
        {"adds": "id"},
        {"adds": [5]},
        {"adds": None},
        {"removes": {}},
        {"updates": ["id"]},
        {"updates": [{"old_id": "a"}]},
        {"accept_branch_conflicts": None},
    ):
        answer = ada.http.post("/v1/branches/exp/apply", json=body)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(
            "Failed to deserialize the JSON body into the target type: "
        )
