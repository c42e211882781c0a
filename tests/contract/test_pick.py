"""Picking changes of a branch: endpoint 49, with its three selectors and policies, and the preview."""

import re

import pytest

TEA = "Prefers green tea in the morning"
DEPLOY = "Deploys run from the blue cluster"
BEES = "Keeps bees behind the house"
CHESS = "Plays chess on Sundays"
COFFEE = "Switched to black coffee at noon"
WATER = "Drinks plain water only"


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


def keys(*ids):
    return {"type": "key_list", "keys": list(ids)}


def between(start, end):
    return {"type": "snapshot_range", "from_snapshot": start, "to_snapshot": end}


def about(query, **fields):
    return {"type": "retrieve", "query": query, **fields}


def try_pick(person, selector, source="exp", **fields):
    return person.http.post(f"/v1/branches/{source}/pick", json={"selector": selector, **fields})


def pick(person, selector, **fields):
    answer = try_pick(person, selector, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def preview(person, selector, page=None, **fields):
    return pick(person, selector, dry_run=page or {}, **fields)


def with_conflict(person):
    """A branch with a new memory, and one corrected on both sides: ids of new, old, and the branch's successor."""
    contested = person.store(TEA)["memory_id"]
    fork(person)
    added = person.store(BEES, branch="exp")["memory_id"]
    successor = correct(person, contested, COFFEE, branch="exp")
    correct(person, contested, WATER)
    return added, contested, successor


# Keys


def test_keys_pick_the_named_memories_only(ada):
    fork(ada)
    wanted = ada.store(TEA, branch="exp", subject_id="cust-1", extra_metadata={"a": 1})["memory_id"]
    ada.store(BEES, branch="exp")
    answer = pick(ada, keys(f" {wanted} ", wanted, ""))
    assert answer["result"] == "Picked 1 change(s) from branch 'exp' into 'main' (0 skipped)"
    (memory,) = ada.http.get("/v1/memories").json()["items"]
    assert (memory["memory_id"], memory["content"]) == (wanted, TEA)
    assert (memory["subject_id"], memory["extra_metadata"]) == ("cust-1", {"a": 1})
    assert ada.contents(branch="exp") == [TEA, BEES]


def test_keys_without_a_change_are_ignored(ada):
    kept = ada.store(DEPLOY)["memory_id"]
    fork(ada)
    wanted = ada.store(TEA, branch="exp")["memory_id"]
    unknown = "0" * 32
    answer = pick(ada, keys(wanted, unknown, kept))
    assert answer["result"] == "Picked 1 change(s) from branch 'exp' into 'main' (0 skipped, 2 ignored)"
    again = pick(ada, keys(wanted, unknown))
    assert again["result"] == "No pickable changes found in branch 'exp' for the selected keys."
    assert ada.contents() == [DEPLOY, TEA]


def test_an_edit_and_a_removal_can_be_picked(ada):
    edited, purged, _ = (ada.store(text)["memory_id"] for text in (TEA, DEPLOY, CHESS))
    fork(ada)
    successor = correct(ada, edited, COFFEE, branch="exp")
    ada.http.delete(f"/v1/memories/{purged}", params={"branch": "exp"})
    pick(ada, keys(edited, successor, purged), strategy="fail")
    assert ada.contents() == [CHESS, COFFEE]


def test_pick_into_another_branch(ada):
    fork(ada)
    fork(ada, "other")
    wanted = ada.store(TEA, branch="exp")["memory_id"]
    ada.store(BEES, branch="other")
    answer = pick(ada, keys(wanted), target="other")
    assert answer["result"] == "Picked 1 change(s) from branch 'exp' into 'other' (0 skipped)"
    assert set(ada.contents(branch="other")) == {TEA, BEES}
    assert ada.contents() == []
    post(ada, "/v1/branches/other/merge", strategy="append")
    assert set(ada.contents()) == {TEA, BEES}


def test_a_pick_can_be_undone(ada):
    fork(ada)
    done = pick(ada, keys(ada.store(TEA, branch="exp")["memory_id"]))
    points = ada.http.get("/v1/snapshots", params={"include": "automatic"}).json()["snapshots"]
    assert [point["registered"] for point in points] == [False]
    assert points[0]["snapshot_name"] == done["restore_point"]
    post(ada, f"/v1/snapshots/{done['restore_point']}/rollback")
    assert ada.contents() == []


def test_a_correction_of_a_correction_is_picked_with_all_its_versions(ada):
    first = ada.store(TEA)["memory_id"]
    fork(ada)
    second = correct(ada, first, BEES, branch="exp")
    third = correct(ada, second, CHESS, branch="exp")
    pick(ada, keys(third))
    shown = ada.http.get(f"/v1/memories/{third}/history").json()["versions"]
    assert [version["memory_id"] for version in shown] == [first, second, third]
    assert ada.contents() == [CHESS]


# Snapshot ranges


def test_a_range_picks_what_the_branch_did_between_two_snapshots(ada):
    old = ada.store(CHESS)["memory_id"]
    fork(ada)
    ada.store(TEA, branch="exp")
    post(ada, "/v1/snapshots", name="a")
    ada.store(BEES, branch="exp")
    ada.http.delete(f"/v1/memories/{old}", params={"branch": "exp"})
    post(ada, "/v1/snapshots", name="b")
    ada.store(DEPLOY, branch="exp")
    assert preview(ada, between("a", "b"))["summary"]["would_apply"] == 2
    answer = pick(ada, between("a", "b"))
    assert answer["result"] == "Picked snapshot range 'a'..'b' from branch 'exp' into 'main'."
    assert ada.contents() == [BEES]
    empty = pick(ada, between("a", "b"))
    assert empty["result"] == "No pickable changes found in branch 'exp' between snapshots 'a' and 'b'."


def test_a_range_needs_two_snapshots_that_exist(ada):
    fork(ada)
    post(ada, "/v1/snapshots", name="a")
    for start, end in (("a", "nothing"), ("nothing", "a")):
        answer = try_pick(ada, between(start, end))
        assert answer.status_code == 404
        assert "Snapshot 'nothing'" in answer.json()["detail"]


# Retrieval


def test_retrieve_picks_the_closest_change(ada):
    ada.store("Which tea is green is told by its leaves")  # nearer, but no change of the branch
    fork(ada)
    for text in (TEA, BEES, DEPLOY):
        ada.store(text, branch="exp")
    answer = pick(ada, about("green tea in the morning", top_k=1))
    assert answer["result"] == (
        "Picked 1 of top 1 retrieved change(s) from branch 'exp' into 'main' (0 skipped)"
    )
    assert TEA in ada.contents()
    assert len(ada.contents()) == 2


def test_retrieve_ranks_by_score_and_cuts_by_score_then_number(ada):
    fork(ada)
    for text in (BEES, "Prefers tea", TEA):
        ada.store(text, branch="exp")
    shown = preview(ada, about("green tea in the morning"))["candidates"]
    scores = [item["score"] for item in shown]
    assert scores == sorted(scores, reverse=True)
    assert shown[0]["content_preview"] == TEA
    least = (scores[0] + scores[1]) / 2
    cut = preview(ada, about("green tea in the morning", min_score=least))
    assert [item["content_preview"] for item in cut["candidates"]] == [TEA]
    assert preview(ada, about("green tea in the morning", top_k=2))["summary"]["candidate_count"] <= 2
    nothing = pick(ada, about("green tea", min_score=1000))
    assert nothing["result"] == "No pickable changes matched query 'green tea' in branch 'exp'."
    assert ada.contents() == []


# Policies


def test_fail_applies_all_or_nothing(ada):
    ids = with_conflict(ada)
    answer = try_pick(ada, keys(*ids), strategy="fail")
    assert answer.status_code == 409
    start = r"Conflict: pick from branch 'exp' into 'main' aborted for \d selected change\(s\): "
    assert re.match(start, answer.json()["detail"])
    assert ada.contents() == [WATER]
    assert try_pick(ada, keys(*ids)).status_code == 409  # the default
    assert try_pick(ada, about("bees coffee", top_k=9)).status_code == 409


@pytest.mark.parametrize(
    ("strategy", "left", "counts"),
    [("skip", {BEES, WATER}, r"Picked 1 change.* \(1 skipped"), ("accept", {BEES, COFFEE}, r".*\(0 skipped")],
)
def test_skip_keeps_the_target_and_accept_takes_the_source(ada, strategy, left, counts):
    added, contested, _ = with_conflict(ada)
    answer = pick(ada, keys(added, contested), strategy=strategy)
    assert re.match(counts, answer["result"])
    assert set(ada.contents()) == left


@pytest.mark.parametrize("strategy", ["skip", "accept"])
def test_a_conflicts_successor_alone_never_leaves_two_corrections(ada, strategy):
    *_, successor = with_conflict(ada)
    pick(ada, keys(successor), strategy=strategy)
    assert ada.contents() in ([WATER], [COFFEE])


@pytest.mark.parametrize(("strategy", "left"), [("skip", WATER), ("accept", COFFEE)])
def test_conflicts_with_a_target_branch(ada, strategy, left):
    contested = ada.store(TEA)["memory_id"]
    fork(ada)
    fork(ada, "other")
    ids = contested, correct(ada, contested, COFFEE, branch="exp")
    correct(ada, contested, WATER, branch="other")
    assert try_pick(ada, keys(*ids), target="other").status_code == 409
    pick(ada, keys(*ids), target="other", strategy=strategy)
    assert ada.contents(branch="other") == [left]
    assert ada.contents() == [TEA]


def test_a_change_of_the_source_alone_is_no_conflict(ada):
    memory_id = ada.store(TEA, extra_metadata={"cups": 1})["memory_id"]
    fork(ada)
    ada.store(TEA, extra_metadata={"cups": 2}, branch="exp")
    plan = preview(ada, keys(memory_id))
    assert (plan["summary"]["conflict_count"], plan["summary"]["would_abort"]) == (0, False)
    assert plan["candidates"][0]["reason"] == "new_or_updated_row"
    pick(ada, keys(memory_id))
    assert ada.http.get(f"/v1/memories/{memory_id}").json()["extra_metadata"] == {"cups": 2}


# Preview


def test_preview_shows_the_plan_and_changes_nothing(ada):
    fork(ada)
    long = ada.store("x" * 200, branch="exp")["memory_id"]
    ada.store(BEES, branch="exp")
    short = ada.store(TEA, branch="exp")["memory_id"]
    selector = keys(long, short)
    shown = preview(ada, selector, {"limit": 1})
    assert shown["dry_run"] is True
    assert shown["result"] == ("Previewed 2 candidate change(s) from branch 'exp' into 'main'. Showing 1.")
    assert (shown["source"], shown["target"], shown["strategy"]) == ("exp", "main", "fail")
    assert shown["selector"] == selector
    assert shown["summary"] == {
        "candidate_count": 2,
        "shown_count": 1,
        "would_apply": 2,
        "would_skip": 0,
        "conflict_count": 0,
        "would_abort": False,
    }
    assert shown["page"] == {"limit": 1, "offset": 0, "has_more": True}
    assert shown["candidates"] == [  # newest first
        {
            "memory_id": short,
            "content_preview": TEA,
            "status": "would_apply",
            "reason": "new_or_updated_row",
        }
    ]
    rest = preview(ada, selector, {"limit": 1, "offset": 1})
    assert (rest["page"]["has_more"], rest["candidates"][0]["content_preview"]) == (False, "x" * 160 + "...")
    assert ada.contents() == []
    assert ada.http.get("/v1/snapshots", params={"include": "automatic"}).json()["total"] == 0


def test_preview_leaves_out_what_is_switched_off(ada):
    fork(ada)
    ada.store(TEA, branch="exp")
    shown = preview(ada, about("green tea"))
    assert isinstance(shown["candidates"][0]["score"], float)
    assert shown["selector"] == {"type": "retrieve", "query": "green tea", "top_k": 5, "min_score": None}
    bare = preview(ada, about("green tea"), {"include_scores": False, "include_content_preview": False})
    assert bare["candidates"][0].keys() == {"memory_id", "status", "reason"}


@pytest.mark.parametrize(
    ("strategy", "summary", "status"),
    [
        ("fail", (2, 0, 0, 1, True), ("conflict", "conflict_fail")),
        ("skip", (2, 1, 1, 1, False), ("would_skip", "conflict_skip")),
        ("accept", (2, 2, 0, 1, False), ("would_apply", "conflict_accept")),
    ],
)
def test_preview_says_what_the_run_will_do(ada, strategy, summary, status):
    added, contested, _ = with_conflict(ada)
    shown = preview(ada, keys(added, contested), strategy=strategy)
    names = ("candidate_count", "would_apply", "would_skip", "conflict_count", "would_abort")
    assert tuple(shown["summary"][name] for name in names) == summary
    verdicts = {item["memory_id"]: (item["status"], item["reason"]) for item in shown["candidates"]}
    assert verdicts == {added: ("would_apply", "new_or_updated_row"), contested: status}
    run = try_pick(ada, keys(added, contested), strategy=strategy)
    if shown["summary"]["would_abort"]:
        assert run.status_code == 409
    else:
        picked, skipped = re.match(r"Picked (\d+) .*\((\d+) skipped", run.json()["result"]).groups()
        assert (int(picked), int(skipped)) == summary[1:3]


def test_preview_and_run_agree_on_ranked_changes(ada):
    *_, successor = with_conflict(ada)
    for text in (CHESS, DEPLOY):
        ada.store(text, branch="exp")
    selector = about("bees chess black coffee tea", top_k=3)
    plan = preview(ada, selector, strategy="skip")
    run = pick(ada, selector, strategy="skip")["result"]
    total, skips = plan["summary"]["would_apply"], plan["summary"]["would_skip"]
    assert run.startswith(f"Picked {total} of top {plan['summary']['candidate_count']} retrieved change(s)")
    assert run.endswith(f"({skips} skipped)")
    applied = {item["content_preview"] for item in plan["candidates"] if item["status"] == "would_apply"}
    assert set(ada.contents()) == {WATER} | applied
    assert ada.http.get(f"/v1/memories/{successor}").status_code == 404


# Refusals


def test_pick_refuses_what_it_cannot_do(ada):
    fork(ada)
    wanted = ada.store(TEA, branch="exp")["memory_id"]
    for fields, status, text in (
        ({"selector": keys()}, 422, "key_list selector requires at least one non-empty key"),
        ({"selector": keys(" ", "")}, 422, "key_list selector requires at least one non-empty key"),
        (
            {"selector": keys(*(str(n) for n in range(1001)))},
            422,
            "key_list selector supports at most 1000 unique keys",
        ),
        ({"selector": about("q", top_k=0)}, 422, "retrieve top_k must be between 1 and 100"),
        ({"selector": about("q", top_k=101)}, 422, "retrieve top_k must be between 1 and 100"),
        ({"selector": about("q", min_score=-1)}, 422, "retrieve min_score must be a finite number"),
        ({"selector": {"type": "all"}}, 422, ""),
        ({"selector": {"type": "key_list"}}, 422, "keys"),
        ({"selector": None}, 422, "selector"),
        ({"dry_run": {"limit": 0}}, 422, "dry_run.limit must be between 1 and 100"),
        ({"dry_run": {"limit": 101}}, 422, "dry_run.limit must be between 1 and 100"),
        ({"dry_run": {"offset": -1}}, 422, "dry_run.offset must be greater than or equal to 0"),
        ({"strategy": "ours"}, 422, "Unsupported pick strategy 'ours'. Use fail, skip, or accept."),
        ({"strategy": None}, 422, "strategy"),
        ({"target": "exp"}, 422, "source and target must be different branches"),
        ({"target": "nowhere"}, 404, "Branch 'nowhere'"),
    ):
        answer = ada.http.post("/v1/branches/exp/pick", json={"selector": keys(wanted), **fields})
        assert answer.status_code == status, (fields, answer.text)
        assert text in answer.json()["detail"]
    assert ada.http.post("/v1/branches/exp/pick", json={}).status_code == 422
    assert ada.contents() == []


def test_a_thousand_keys_are_fine(ada):
    fork(ada)
    wanted = ada.store(TEA, branch="exp")["memory_id"]
    answer = pick(ada, keys(wanted, *(str(n) for n in range(999))))
    assert "(0 skipped, 999 ignored)" in answer["result"]


def test_only_a_branch_can_be_picked_from(ada):
    fork(ada)
    for source in ("nowhere", "main"):
        assert try_pick(ada, keys("x"), source=source, target="exp").status_code == 404
