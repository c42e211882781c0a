"""Branches: fork, check out, name per request, compare, refresh, delete. Endpoints 43-47 and 51."""

import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

TEA = "Prefers green tea in the morning"
DEPLOY = "Deploys run from the blue cluster"
BEES = "Keeps bees behind the house"
CHESS = "Plays chess on Sundays"
NAMES = [
    "exp",
    "two words",
    "dash-and.dot",
    "inner   spaces",
    "étude",
    "日本語の枝",
    "😀",
    "x" * 100,
    "字" * 100,
    "100%",
    "a?b#c&d=e+f",
    "'; DROP TABLE x; --",
]


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


def checkout(person, name):
    return post(person, f"/v1/branches/{quote(name, safe='')}/checkout")["result"]


def correct(person, memory_id, text, branch="main"):
    body = {"new_content": text, "branch": branch}
    answer = person.http.put(f"/v1/memories/{memory_id}/correct", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["memory_id"]


def forget(person, memory_id, branch="main"):
    answer = person.http.delete(f"/v1/memories/{memory_id}", params={"branch": branch})
    assert answer.status_code == 204, answer.text


def items(person, name="exp", **query):
    return get(person, f"/v1/branches/{name}/diff-items", **query)


def buckets(person, name="exp", **query):
    """The ids in each list of the structured diff."""
    shown = items(person, name, **query)
    lists = ("added", "updated", "removed", "conflicts", "behind_main")
    return {part: [item["memory_id"] for item in shown[part]] for part in lists if shown[part]}


def listed(person):
    return [item["name"] for item in get(person, "/v1/branches")["branches"]]


def active(person):
    (name,) = [item["name"] for item in get(person, "/v1/branches")["branches"] if item["active"]]
    return name


def seconds(moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S")


# Create


def use_under(person, name):
    """A branch's whole life under a name."""
    fork(person, name)
    assert listed(person) == ["main", name]
    added = person.store(BEES, branch=name)["memory_id"]
    path = f"/v1/branches/{quote(name, safe='')}"
    assert [item["memory_id"] for item in get(person, f"{path}/diff-items")["added"]] == [added]
    assert get(person, f"{path}/diff")["result"].startswith(f"Diff '{name}' vs main:")
    assert checkout(person, name) == f"Switched to branch '{name}'. 1 memories on this branch."
    assert post(person, f"{path}/merge")["result"].startswith(f"Merged branch '{name}' into main (1 new,")
    assert person.contents(branch="main") == [BEES]
    forget(person, added)
    assert person.http.delete(path).status_code == 204
    assert listed(person) == ["main"]


def test_a_branch_works_under_any_name(ada):
    for name in NAMES:
        use_under(ada, name)


def test_a_branch_works_under_a_name_with_a_slash(ada):
    for name in ("feature/login", "/", "a//b", "merge/feature", "x/", "diff", "a/b%2Fc"):
        use_under(ada, name)


def test_a_name_that_cannot_be_used_is_refused(ada):
    for name in (
        *("main", "", "   ", "x" * 101, "字" * 101),
        *(
            " x",
            "x ",
            "x\n",
            "a\tb",
            "a\x1bb",
            "a\x7f",
            "a\u2028b",
        ),  # no request could name it, or a log would lie
        *(".", "..", "x/merge", "x/diff", "x/diff-items"),  # read otherwise in a path
    ):
        answer = ada.http.post("/v1/branches", json={"name": name})
        assert answer.status_code == 422, answer.text
    assert listed(ada) == ["main"]


def test_a_taken_name_is_said_and_the_branch_stays(ada):
    fork(ada)
    ada.store(TEA, branch="exp")
    again = ada.http.post("/v1/branches", json={"name": "exp"})
    assert (again.status_code, again.json()["created"]) == (201, False)
    assert again.json()["result"] == "Branch 'exp' already exists."
    assert ada.contents(branch="exp") == [TEA]


def test_names_differ_by_case(ada):
    fork(ada, "exp")
    fork(ada, "EXP")
    ada.store(TEA, branch="EXP")
    assert ada.contents(branch="exp") == []


def test_twenty_branches_and_no_more(ada):
    for number in range(20):
        fork(ada, f"b{number}")
    for name in ("one-more", "b3"):  # the limit is checked before the name
        full = ada.http.post("/v1/branches", json={"name": name})
        assert (full.status_code, full.json()["created"]) == (201, False)
        assert full.json()["result"] == "Branch limit reached (20). Delete old branches first."
    ada.http.delete("/v1/branches/b3")
    fork(ada, "one-more")
    assert len(listed(ada)) == 21


def test_creating_does_not_check_out_and_forks_main(ada):
    ada.store(TEA)
    fork(ada, "one")
    assert active(ada) == "main"
    checkout(ada, "one")
    ada.store(BEES)
    fork(ada, "two")  # from main, not from what is checked out
    assert active(ada) == "one"
    assert ada.contents(branch="two") == [TEA]


def test_a_branch_and_main_do_not_see_each_others_changes(ada):
    shared = ada.store(TEA)["memory_id"]
    fork(ada)
    ada.store(DEPLOY)
    ada.store(BEES, branch="exp")
    corrected = correct(ada, shared, "Prefers black coffee at noon", branch="exp")
    assert ada.contents() == [TEA, DEPLOY]
    assert ada.contents(branch="exp") == [BEES, "Prefers black coffee at noon"]
    assert ada.http.get(f"/v1/memories/{corrected}").status_code == 404
    assert get(ada, f"/v1/memories/{shared}")["content"] == TEA


def test_a_branch_starts_from_a_snapshot(ada):
    kept, gone = ada.store(TEA)["memory_id"], ada.store(BEES)["memory_id"]
    made = post(ada, "/v1/snapshots", name="then")
    correct(ada, kept, "Prefers black coffee at noon")
    point = post(ada, "/v1/memories/purge", memory_ids=[gone])["snapshot_name"]
    ada.store(DEPLOY)
    fork(ada, "display", from_snapshot="then")
    fork(ada, "internal", from_snapshot=made["snapshot_name"])
    fork(ada, "restore", from_snapshot=point)
    assert ada.contents(branch="display") == ada.contents(branch="internal") == [TEA, BEES]
    assert ada.contents(branch="restore") == [BEES, "Prefers black coffee at noon"]
    unknown = ada.http.post("/v1/branches", json={"name": "x", "from_snapshot": "nothing"})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "Memory not found: Snapshot 'nothing'")
    assert "x" not in listed(ada)


def test_a_branch_starts_from_a_moment(ada):
    old = ada.store(TEA)["memory_id"]
    time.sleep(1.1)  # the parameter counts whole seconds
    moment = seconds(datetime.now(UTC))
    ada.store(BEES)
    correct(ada, old, "Prefers black coffee at noon")
    fork(ada, "then", from_timestamp=moment)
    fork(ada, "before", from_timestamp=seconds(datetime.now(UTC) - timedelta(minutes=20)))
    assert ada.contents(branch="then") == [TEA]
    assert ada.contents(branch="before") == []


def test_a_moment_out_of_reach_is_said(ada):
    for minutes, text in (
        (2, "from_timestamp cannot be in the future"),
        (-31, "from_timestamp must be within the last 30 minutes"),
    ):
        given = seconds(datetime.now(UTC) + timedelta(minutes=minutes))
        answer = ada.http.post("/v1/branches", json={"name": "exp", "from_timestamp": given})
        assert (answer.status_code, answer.json()["result"]) == (201, text)
    assert listed(ada) == ["main"]


def test_a_moment_in_another_form_is_refused(ada):
    for moment in ("yesterday", "2026-05-02", "2026-13-01 00:00:00", ""):
        answer = ada.http.post("/v1/branches", json={"name": "exp", "from_timestamp": moment})
        assert answer.status_code == 422
        assert "from_timestamp must be 'YYYY-MM-DD HH:MM:SS'" in answer.json()["detail"]
    assert listed(ada) == ["main"]


def test_the_checks_of_a_new_branch_have_an_order(ada):
    create = lambda **body: ada.http.post("/v1/branches", json={"name": "exp", **body}).json()  # noqa: E731
    future = seconds(datetime.now(UTC) + timedelta(hours=1))
    fork(ada)
    both = create(from_snapshot="nothing", from_timestamp=future)
    assert both["result"] == "Specify from_snapshot or from_timestamp, not both."
    assert create(from_timestamp=future)["result"] == "from_timestamp cannot be in the future"
    assert create(from_snapshot="nothing")["result"] == "Branch 'exp' already exists."


def test_a_branch_outlives_the_snapshot_it_came_from(ada):
    ada.store(TEA)
    post(ada, "/v1/snapshots", name="then")
    ada.store(DEPLOY)
    fork(ada, from_snapshot="then")
    ada.http.delete("/v1/snapshots/then")
    ada.store(BEES, branch="exp")
    assert ada.contents(branch="exp") == [TEA, BEES]
    assert set(buckets(ada)) == {"added", "behind_main"}
    post(ada, "/v1/branches/exp/merge", strategy="append")
    assert ada.contents() == [TEA, DEPLOY, BEES]


# List and checkout


def test_the_list_has_main_first_then_the_oldest(ada):
    assert get(ada, "/v1/branches")["branches"] == [{"name": "main", "active": True}]
    fork(ada, "zeta")
    fork(ada, "alpha")
    checkout(ada, "zeta")
    shown = get(ada, "/v1/branches")
    assert shown["result"] == "Branches:\nmain\nzeta ← active\nalpha"
    main, zeta, alpha = shown["branches"]
    assert main == {"name": "main", "active": False}
    assert (zeta["name"], zeta["active"], alpha["active"]) == ("zeta", True, False)
    assert zeta["created_at"] < alpha["created_at"]
    assert zeta["created_at"].endswith("+00:00")


def test_requests_follow_the_checkout_until_it_moves(ada):
    shared = ada.store(TEA)["memory_id"]
    fork(ada)
    assert checkout(ada, "exp") == "Switched to branch 'exp'. 1 memories on this branch."
    added = ada.store(BEES)["memory_id"]
    forget(ada, shared, branch="exp")
    assert ada.contents() == [BEES]
    assert ada.http.get(f"/v1/memories/{shared}").status_code == 404
    for route in ("retrieve", "search"):
        assert [item["memory_id"] for item in post(ada, f"/v1/memories/{route}", query=BEES)] == [added]
    assert checkout(ada, "main") == "Switched to branch 'main'"
    assert ada.contents() == [TEA]
    assert ada.http.get(f"/v1/memories/{added}").status_code == 404


def test_the_checkout_belongs_to_the_person_not_the_key(ada, server):
    fork(ada)
    second_key = server.user(ada.user_id)
    second_key.post("/v1/branches/exp/checkout")
    ada.store(TEA)
    assert (active(ada), ada.contents(), ada.contents(branch="main")) == ("exp", [TEA], [])


def test_checkout_counts_to_fifty(ada):
    fork(ada)
    post(ada, "/v1/memories/batch", memories=[{"content": f"fact {n}"} for n in range(51)], branch="exp")
    assert checkout(ada, "exp") == "Switched to branch 'exp'. 50 memories on this branch."


def test_checkout_of_an_unknown_branch_changes_nothing(ada):
    fork(ada)
    checkout(ada, "exp")
    answer = ada.http.post("/v1/branches/nowhere/checkout")
    assert (answer.status_code, answer.json()["detail"]) == (404, "Memory not found: Branch 'nowhere'")
    assert active(ada) == "exp"


# The branch named by a request


@pytest.mark.parametrize("name", ["exp", "  exp "])
def test_a_request_may_name_its_branch(ada, name):
    shared, _, third, fourth = (
        ada.store(text, session_id="s1")["memory_id"] for text in (TEA, DEPLOY, BEES, CHESS)
    )
    fork(ada)
    ada.store("Stored on the experiment", branch=name)
    post(ada, "/v1/memories/batch", memories=[{"content": "Batched on the experiment"}], branch=name)
    new = correct(ada, shared, "Prefers black coffee at noon", branch=name)
    body = {"query": DEPLOY, "new_content": "Releases leave from a barn", "branch": name}
    assert post(ada, "/v1/memories/correct", **body)["content"] == "Releases leave from a barn"
    forget(ada, third, branch=name)
    assert post(ada, "/v1/memories/purge", memory_ids=[fourth], branch=name)["purged"] == 1
    changed = {
        "Stored on the experiment",
        "Batched on the experiment",
        "Prefers black coffee at noon",
        "Releases leave from a barn",
    }
    assert set(ada.contents(branch=name)) == changed
    assert get(ada, f"/v1/memories/{new}", branch=name)["content"] == "Prefers black coffee at noon"
    assert get(ada, f"/v1/memories/{shared}/history", branch=name)["total"] == 2
    assert get(ada, f"/v1/memories/{shared}/history")["total"] == 1
    for route in ("retrieve", "search"):
        found = post(ada, f"/v1/memories/{route}", query="experiment coffee barn", branch=name, top_k=9)
        assert {item["content"] for item in found} <= changed
        assert found
    assert ada.contents() == [TEA, DEPLOY, BEES, CHESS]
    assert active(ada) == "main"


def test_main_may_be_named_while_a_branch_is_checked_out(ada):
    fork(ada)
    checkout(ada, "exp")
    memory_id = ada.store(TEA, branch="main")["memory_id"]
    ada.store(BEES, branch="   ")  # blank means the checkout
    assert (ada.contents(), ada.contents(branch="main"), ada.contents(branch=" ")) == ([BEES], [TEA], [BEES])
    assert ada.http.get(f"/v1/memories/{memory_id}").status_code == 404
    assert get(ada, f"/v1/memories/{memory_id}", branch="main")["content"] == TEA
    forget(ada, memory_id, branch="main")
    assert ada.contents(branch="main") == []


def test_an_unknown_branch_is_not_found_anywhere(ada):
    memory_id = ada.store(TEA)["memory_id"]
    answers = {}
    for method, path, body in (
        ("POST", "/v1/memories", {"content": "x"}),
        ("POST", "/v1/memories/batch", {"memories": [{"content": "x"}]}),
        ("GET", "/v1/memories", None),
        ("GET", "/v1/memories/{id}", None),
        ("GET", "/v1/memories/{id}/history", None),
        ("DELETE", "/v1/memories/{id}", None),
        ("PUT", "/v1/memories/{id}/correct", {"new_content": "x"}),
        ("POST", "/v1/memories/correct", {"query": TEA, "new_content": "x"}),
        ("POST", "/v1/memories/purge", {"topic": "Prefers"}),
        ("POST", "/v1/memories/retrieve", {"query": TEA}),
        ("POST", "/v1/memories/search", {"query": TEA}),
    ):
        named = {"params": {"branch": "nowhere"}} if body is None else {"json": {**body, "branch": "nowhere"}}
        answer = ada.http.request(method, path.format(id=memory_id), **named)
        answers[f"{method} {path}"] = answer.status_code, answer.json().get("detail")
    assert answers == dict.fromkeys(answers, (404, "Memory not found: Branch 'nowhere'"))
    assert ada.contents() == [TEA]


def test_an_administrator_hears_of_an_unknown_branch_too(ada, ops):
    memory_id = ada.store(TEA)["memory_id"]
    answer = ops.delete(f"/v1/memories/{memory_id}", params={"branch": "nowhere"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "Memory not found: Branch 'nowhere'")
    assert ada.contents() == [TEA]


def test_the_same_text_on_two_branches_is_two_memories(ada):
    fork(ada)
    of_main, of_branch = ada.store(TEA), ada.store(TEA, branch="exp")
    assert of_main["memory_id"] != of_branch["memory_id"]
    assert ada.contents() == ada.contents(branch="exp") == [TEA]


# Delete


def test_deleting_the_checked_out_branch_returns_to_main(ada):
    ada.store(TEA)
    fork(ada)
    checkout(ada, "exp")
    ada.store(BEES)
    assert ada.http.delete("/v1/branches/exp").status_code == 204
    assert (active(ada), ada.contents()) == ("main", [TEA])
    assert ada.http.get("/v1/memories", params={"branch": "exp"}).status_code == 404
    assert ada.http.post("/v1/branches/exp/merge", json={}).status_code == 404
    ada.store(DEPLOY)
    fork(ada)  # the name is free and starts afresh
    assert ada.contents(branch="exp") == [TEA, DEPLOY]
    assert active(ada) == "main"


def test_deleting_main_or_an_unknown_branch_does_nothing(ada):
    ada.store(TEA)
    fork(ada)
    for name in ("nowhere", "main"):
        assert ada.http.delete(f"/v1/branches/{name}").status_code == 204
    assert listed(ada) == ["main", "exp"]
    assert ada.contents() == [TEA]


# Diff


def test_diff_items_puts_each_change_in_its_list(ada):
    texts = (TEA, DEPLOY, BEES, CHESS, "Sails a small boat")
    edited, purged, contested, moved_on, _ = (ada.store(text)["memory_id"] for text in texts)
    fork(ada)
    added = ada.store("Paints in oil", branch="exp", memory_type="profile")["memory_id"]
    edit = correct(ada, edited, "Prefers black coffee at noon", branch="exp")
    forget(ada, purged, branch="exp")
    mine = correct(ada, contested, "Keeps goats in the barn", branch="exp")
    theirs = correct(ada, contested, "Keeps hens by the pond")
    ahead = correct(ada, moved_on, "Gave up chess for bridge")
    only_main = ada.store("Collects old maps")["memory_id"]
    shown = items(ada)
    assert (shown["branch"], shown["against"]) == ("exp", "main")
    assert shown["added"] == [
        {"memory_id": added, "content": "Paints in oil", "memory_type": "profile", "author_id": None}
    ]
    assert shown["updated"] == [
        {
            "memory_id": edit,
            "content": "Prefers black coffee at noon",
            "memory_type": "semantic",
            "old_memory_id": edited,
            "old_content": TEA,
            "author_id": None,
        }
    ]
    assert [(item["memory_id"], item["content"]) for item in shown["removed"]] == [(purged, DEPLOY)]
    side = {"content": BEES, "is_active": 0, "author_id": None}
    assert shown["conflicts"] == [
        {
            "memory_id": contested,
            "branch": side | {"superseded_by": mine, "superseded_by_content": "Keeps goats in the barn"},
            "main": side | {"superseded_by": theirs, "superseded_by_content": "Keeps hens by the pond"},
        }
    ]
    assert {item["memory_id"] for item in shown["behind_main"]} == {ahead, only_main}


def test_diff_as_text_says_the_same(ada):
    texts = (TEA, DEPLOY, BEES)
    edited, purged, contested = (ada.store(text)["memory_id"] for text in texts)
    fork(ada)
    added = ada.store("é" * 41, branch="exp")["memory_id"]
    edit = correct(ada, edited, "Prefers black coffee at noon", branch="exp")
    forget(ada, purged, branch="exp")
    correct(ada, contested, "Keeps goats in the barn", branch="exp")
    correct(ada, contested, "Keeps hens by the pond")
    ahead = ada.store("Collects old maps")["memory_id"]
    header, *lines = get(ada, "/v1/branches/exp/diff")["result"].split("\n")
    assert header == "Diff 'exp' vs main:"
    assert set(lines) == {
        f"[new] {added[:8]}: {'é' * 40}...",
        f"[modified] {edited[:8]} → {edit[:8]}: Prefers black coffee at noon",
        f"[removed] {purged[:8]}: {DEPLOY}",
        f"[CONFLICT] {contested[:8]}: branch({BEES} →new: Keeps goats in the barn),"
        f" main({BEES} →new: Keeps hens by the pond)",
        f"[behind] {ahead[:8]}: Collects old maps",
    }


def test_diff_limits_each_list(ada):
    fork(ada)
    texts = ["ink", "sea", "oak"]
    post(ada, "/v1/memories/batch", memories=[{"content": text} for text in texts], branch="exp")
    post(ada, "/v1/memories/batch", memories=[{"content": f"main {text}"} for text in texts])
    shown = items(ada, limit=2)
    assert (len(shown["added"]), len(shown["behind_main"])) == (2, 2)
    assert len(items(ada, limit=0)["added"]) == 1
    assert len(items(ada, limit=9999)["added"]) == 3
    text = get(ada, "/v1/branches/exp/diff", limit=2)["result"]
    assert text.split("\n")[0] == "Diff 'exp' vs main (showing 2/3):"
    assert text.count("[new]") == 2


def test_only_main_moving_on_is_no_change_of_the_branch(ada):
    fork(ada)
    assert buckets(ada) == {}
    ahead = ada.store(TEA)["memory_id"]
    assert buckets(ada) == {"behind_main": [ahead]}
    assert get(ada, "/v1/branches/exp/diff")["result"] == "No changes in branch 'exp' vs main."


def test_what_came_and_went_on_the_branch_is_hidden(ada):
    fork(ada)
    forget(ada, ada.store(TEA, branch="exp")["memory_id"], branch="exp")
    assert buckets(ada) == {}
    first = ada.store(BEES, branch="exp")["memory_id"]
    second = correct(ada, first, "Keeps goats in the barn", branch="exp")
    shown = items(ada)
    assert [item["memory_id"] for item in shown["added"] + shown["updated"]] == [second]
    assert shown["removed"] == []


def test_the_same_end_on_both_sides_is_no_difference(ada):
    memory_id = ada.store(TEA)["memory_id"]
    fork(ada)
    forget(ada, memory_id, branch="exp")
    forget(ada, memory_id)
    assert buckets(ada) == {}
    assert get(ada, "/v1/branches/exp/diff")["result"] == "No changes in branch 'exp' vs main."


@pytest.mark.parametrize(
    ("on_branch", "on_main"), [("edited", "purged"), ("purged", "edited"), ("edited", "edited")]
)
def test_different_ends_are_one_conflict(ada, on_branch, on_main):
    memory_id = ada.store(TEA)["memory_id"]
    fork(ada)
    for change, branch in ((on_branch, "exp"), (on_main, "main")):
        if change == "edited":
            correct(ada, memory_id, f"What {branch} made of it", branch=branch)
        else:
            forget(ada, memory_id, branch=branch)
    assert buckets(ada) == {"conflicts": [memory_id]}
    (conflict,) = items(ada)["conflicts"]
    for change, branch in ((on_branch, "branch"), (on_main, "main")):
        assert (conflict[branch]["superseded_by"] is not None) == (change == "edited")


def test_metadata_edited_on_the_branch_shows_as_updated(ada):
    memory_id = ada.store(TEA, extra_metadata={"cups": 1})["memory_id"]
    fork(ada)
    ada.store(TEA, extra_metadata={"cups": 2}, branch="exp")
    assert buckets(ada) == {"updated": [memory_id]}


def test_there_is_no_diff_of_main_or_an_unknown_branch(ada):
    for name in ("nowhere", "main"):
        assert ada.http.get(f"/v1/branches/{name}/diff").status_code == 404
        structured = ada.http.get(f"/v1/branches/{name}/diff-items")
        assert (structured.status_code, structured.json()["detail"]) == (404, f"Branch not found: {name}")


# Refresh


def test_refresh_brings_main_to_the_branch_and_keeps_its_changes(ada):
    edited, purged, _ = (ada.store(text)["memory_id"] for text in (TEA, DEPLOY, BEES))
    fork(ada)
    checkout(ada, "exp")
    edit = correct(ada, edited, "Prefers black coffee at noon", branch="exp")
    forget(ada, purged, branch="exp")
    added = ada.store("Paints in oil")["memory_id"]
    ada.store("Collects old maps", branch="main")
    assert ada.http.post("/v1/branches/exp/refresh").status_code == 200
    assert set(ada.contents()) == {
        BEES,
        "Prefers black coffee at noon",
        "Paints in oil",
        "Collects old maps",
    }
    assert buckets(ada) == {"added": [added], "updated": [edit], "removed": [purged]}
    assert (active(ada), listed(ada)) == ("exp", ["main", "exp"])
    assert set(ada.contents(branch="main")) == {TEA, DEPLOY, BEES, "Collects old maps"}
    post(ada, "/v1/branches/exp/merge", strategy="append")
    assert set(ada.contents(branch="main")) == set(ada.contents())


def test_refresh_without_changes_of_the_branch_makes_it_main(ada):
    fork(ada)
    ada.store(TEA)
    assert ada.http.post("/v1/branches/exp/refresh").status_code == 200
    assert ada.contents(branch="exp") == [TEA]
    assert buckets(ada) == {}


def test_refresh_refuses_while_there_is_a_conflict(ada):
    memory_id = ada.store(TEA)["memory_id"]
    fork(ada)
    correct(ada, memory_id, "Prefers black coffee at noon", branch="exp")
    correct(ada, memory_id, "Prefers plain water")
    ada.store(BEES)
    assert ada.http.post("/v1/branches/exp/refresh").status_code == 409
    assert ada.contents(branch="exp") == ["Prefers black coffee at noon"]
    assert set(buckets(ada)) == {"conflicts", "behind_main"}


def test_a_refreshed_branch_is_still_in_older_snapshots_what_it_was(ada):
    kept = ada.store(TEA)["memory_id"]
    fork(ada)
    ada.store(BEES, branch="exp")
    post(ada, "/v1/snapshots", name="before")
    forget(ada, kept)
    ada.store(DEPLOY)
    post(ada, "/v1/branches/exp/refresh")
    ada.store(CHESS, branch="exp")
    post(ada, "/v1/branches/exp/refresh")
    assert set(ada.contents(branch="exp")) == {DEPLOY, BEES, CHESS}
    assert set(ada.contents(branch="exp", at="before")) == {TEA, BEES}
    assert ada.contents(branch="main", at="before") == [TEA]


def test_there_is_nothing_to_refresh_but_branches(ada):
    assert ada.http.post("/v1/branches/nowhere/refresh").status_code == 404
    assert ada.http.post("/v1/branches/main/refresh").status_code in (404, 422)
