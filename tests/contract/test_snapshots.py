"""Snapshots: name, list, read, compare, delete, go back. Endpoints 36-42 of the contract."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

TEA = "Prefers green tea in the morning"
DEPLOY = "Deploys run from the blue cluster"
BEES = "Keeps bees behind the house"


def post(person, path, **body):
    answer = person.http.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def get(person, path, **query):
    answer = person.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def take(person, name):
    made = post(person, "/v1/snapshots", name=name)
    assert made["created"] is True, made
    return made


def names(person, **query):
    return [item["name"] for item in get(person, "/v1/snapshots", **query)["snapshots"]]


def correct(person, memory_id, text):
    answer = person.http.put(f"/v1/memories/{memory_id}/correct", json={"new_content": text})
    assert answer.status_code == 200, answer.text
    return answer.json()["memory_id"]


def roll_back(person, name):
    return post(person, f"/v1/snapshots/{quote(name, safe='')}/rollback")


# Create


def test_create_answers_with_the_snapshot(ada):
    ada.store(TEA)
    made = post(ada, "/v1/snapshots", name="before_import", description="just in case")
    assert made["name"] == "before_import"
    assert re.fullmatch(r"mem_snap_\d+_.{1,11}_before_import", made["snapshot_name"])
    assert made["description"] == "just in case"
    assert made["memory_count"] == 1
    assert made["created_at"] == made["timestamp"]
    assert made["created_at"].endswith("+00:00")
    assert made["registered"] is True
    assert made["result"] == f"Snapshot 'before_import' created at {made['timestamp']}"
    assert names(ada) == ["before_import"]


def test_names_are_cleaned_and_the_clean_name_finds_the_snapshot(ada):
    for given, shown in (
        ("my-snap", "my_snap"),
        ("9 lives", "s_9_lives"),
        ("", "s_"),
        ("_x", "s__x"),
        ("x" * 100, "x" * 40),
        ("9" * 100, "s_" + "9" * 40),
        ("CamelCase", "CamelCase"),
        ("a/b?c#d%", "a_b_c_d_"),
    ):
        made = take(ada, given)
        assert made["name"] == shown
        for name in (shown, made["snapshot_name"]):
            assert get(ada, f"/v1/snapshots/{name}")["name"] == shown


def test_a_unicode_name_finds_its_snapshot_everywhere(ada):
    ada.store(TEA)
    for given in ("été", "日本語のスナップ", "день" * 25, "😀 smile", "e\u0301"):
        name = take(ada, given)["name"]
        ada.store(BEES)
        path = f"/v1/snapshots/{quote(name, safe='')}"
        assert get(ada, path)["memory_count"] == 1
        assert [item["content"] for item in get(ada, f"{path}/diff")["added"]] == [BEES]
        assert ada.contents(at=name) == [TEA]
        roll_back(ada, name)
        assert ada.contents() == [TEA]
        assert ada.http.delete(path).status_code == 204
        assert names(ada) == []


def test_names_keep_their_case(ada):
    take(ada, "before")
    assert take(ada, "Before")["name"] == "Before"
    assert names(ada) == ["Before", "before"]


@pytest.mark.parametrize(("first", "second"), [("before", "before"), ("my_snap", "my-snap")])
def test_a_taken_name_is_said_and_nothing_is_made(ada, first, second):
    take(ada, first)
    again = ada.http.post("/v1/snapshots", json={"name": second, "description": "d"})
    assert again.status_code == 201
    assert again.json() == {
        "name": second,
        "description": "d",
        "result": f"Snapshot '{first}' already exists.",
        "created": False,
    }
    assert names(ada) == [first]


def test_a_create_needs_a_name(ada):
    assert ada.http.post("/v1/snapshots", json={}).status_code == 422
    assert ada.http.post("/v1/snapshots", json={"name": 5}).status_code == 422


def test_twenty_named_snapshots_and_no_more(ada):
    memory_id = ada.store(TEA)["memory_id"]
    for number in range(20):
        take(ada, f"snap{number}")
    post(ada, "/v1/memories/purge", memory_ids=[memory_id])  # a restore point needs no place
    for name in ("one_more", "snap3"):  # the limit is checked before the name
        full = ada.http.post("/v1/snapshots", json={"name": name})
        text = f"Snapshot limit reached (20) for user {ada.user_id}. Delete old snapshots first."
        assert (full.status_code, full.json()["result"]) == (201, text)
        assert full.json()["created"] is False
        assert "created_at" not in full.json()
    assert len(names(ada)) == 20
    ada.http.delete("/v1/snapshots/snap3")
    take(ada, "one_more")


def test_of_simultaneous_creates_of_one_name_one_wins(ada):
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: ada.http.post("/v1/snapshots", json={"name": "race"}).json(), range(4))
        )
    assert sorted(answer["created"] for answer in answers) == [False, False, False, True]
    assert names(ada) == ["race"]


# List


def test_the_list_shows_the_newest_first_in_pages(ada):
    assert get(ada, "/v1/snapshots")["result"] == "Snapshots (0):"
    ada.store(TEA)
    made = [take(ada, name) for name in ("one", "two", "three")]
    page = get(ada, "/v1/snapshots", limit=2)
    assert [item["name"] for item in page["snapshots"]] == ["three", "two"]
    assert (page["total"], page["limit"], page["offset"], page["has_more"]) == (3, 2, 0, True)
    lines = [f"{item['name']} ({item['timestamp']})" for item in (made[2], made[1])]
    assert page["result"] == "\n".join(["Snapshots (3 total):", *lines])
    rest = get(ada, "/v1/snapshots", limit=2, offset=2)
    assert ([item["name"] for item in rest["snapshots"]], rest["has_more"]) == (["one"], False)
    assert rest["snapshots"][0] == {
        key: made[0][key]
        for key in ("name", "snapshot_name", "memory_count", "created_at", "timestamp", "registered")
    } | {"description": None}
    negative = get(ada, "/v1/snapshots", limit=-1, offset=-1)
    assert (negative["limit"], negative["offset"], negative["snapshots"]) == (0, 0, [])
    assert get(ada, "/v1/snapshots")["limit"] == 20


def test_restore_points_are_listed_on_request_only(ada):
    memory_id = ada.store(TEA)["memory_id"]
    take(ada, "named")
    purged = post(ada, "/v1/memories/purge", memory_ids=[memory_id])
    assert names(ada) == ["named"]
    page = get(ada, "/v1/snapshots", include="automatic")
    automatic, named = page["snapshots"]
    assert re.fullmatch(r"pre_purge_[0-9a-f]{8}", automatic["name"])
    assert automatic["snapshot_name"] == purged["snapshot_name"]
    assert (automatic["registered"], named["registered"]) == (False, True)
    assert page["total"] == 2


# Read


def test_detail_shows_what_was_known_then(ada):
    first = ada.store(TEA, session_id="s1", trust_tier="T2", observed_at="2026-01-02T00:00:00Z")
    second = ada.store(DEPLOY, memory_type="profile", observed_at="2026-01-03T00:00:00Z")
    made = take(ada, "then")
    ada.store(BEES)
    correct(ada, first["memory_id"], "Prefers coffee")
    ada.http.delete(f"/v1/memories/{second['memory_id']}")
    detail = get(ada, "/v1/snapshots/then")
    assert (detail["name"], detail["snapshot_name"]) == ("then", made["snapshot_name"])
    assert (detail["memory_count"], detail["by_type"]) == (2, {"semantic": 1, "profile": 1})
    assert (detail["limit"], detail["offset"], detail["has_more"]) == (50, 0, False)
    assert [item["memory_id"] for item in detail["memories"]] == [second["memory_id"], first["memory_id"]]
    shown = detail["memories"][1]
    assert shown["content"] == TEA
    assert shown["user_id"] == ada.user_id
    assert shown["memory_type"] == "semantic"
    assert shown["trust_tier"] == "T2"
    assert shown["initial_confidence"] == pytest.approx(0.85)
    assert shown["is_active"] is True
    assert shown["session_id"] == "s1"
    assert shown["observed_at"] == "2026-01-02T00:00:00+00:00"
    assert shown["created_at"].endswith("+00:00")
    assert shown["retrieval_score"] is None
    assert "confidence" not in shown


def test_detail_cuts_long_texts(ada):
    ada.store("x" * 2001)
    ada.store("é" * 2001)
    take(ada, "long")
    for query, most in (
        ({}, 80),
        ({"detail": "brief"}, 80),
        ({"detail": "normal"}, 200),
        ({"detail": "full"}, 2000),
        ({"detail": "odd"}, 80),
    ):
        shown = get(ada, "/v1/snapshots/long", **query)["memories"]
        accented, plain = (item["content"] for item in shown)
        assert plain == "x" * most + " [truncated]"
        assert re.fullmatch(r"é+ \[truncated\]", accented)
        assert all(("confidence" in item) == (most == 2000) for item in shown)


def test_detail_leaves_texts_alone_that_fit(ada):
    ada.store("x" * 80)
    take(ada, "short")
    assert get(ada, "/v1/snapshots/short")["memories"][0]["content"] == "x" * 80


def test_detail_comes_in_pages(ada):
    items = [{"content": f"fact number {word}"} for word in ("one", "two", "three")]
    post(ada, "/v1/memories/batch", memories=items)
    take(ada, "pages")
    seen = []
    for offset, more in ((0, True), (1, True), (2, False)):
        page = get(ada, "/v1/snapshots/pages", limit=1, offset=offset)
        assert (page["has_more"], page["memory_count"]) == (more, 3)
        seen += [item["content"] for item in page["memories"]]
    assert sorted(seen) == sorted(item["content"] for item in items)
    assert get(ada, "/v1/snapshots/pages", limit=9999)["limit"] == 500


def test_detail_and_diff_are_of_the_checked_out_branch(ada):
    ada.store(TEA)
    post(ada, "/v1/branches", name="exp")
    ada.store(BEES, branch="exp")
    take(ada, "both")
    post(ada, "/v1/branches/exp/checkout")
    ada.store(DEPLOY)
    assert {item["content"] for item in get(ada, "/v1/snapshots/both")["memories"]} == {TEA, BEES}
    diff = get(ada, "/v1/snapshots/both/diff")
    assert ([item["content"] for item in diff["added"]], diff["removed"]) == ([DEPLOY], [])
    post(ada, "/v1/branches/main/checkout")
    assert [item["content"] for item in get(ada, "/v1/snapshots/both")["memories"]] == [TEA]
    assert get(ada, "/v1/snapshots/both/diff")["added"] == []


def test_an_unknown_snapshot_is_not_found(ada):
    for path in ("/v1/snapshots/nothing", "/v1/snapshots/nothing/diff"):
        answer = ada.http.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (404, "Snapshot not found")


def test_a_name_with_illegal_characters_is_refused(ada):
    for path in ("/v1/snapshots/a;b'c", "/v1/snapshots/a;b'c/diff"):
        answer = ada.http.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (400, "Invalid snapshot name")


# Diff


def test_diff_against_now(ada):
    kept, gone, old = (ada.store(text)["memory_id"] for text in (TEA, DEPLOY, BEES))
    made = take(ada, "then")
    unchanged = get(ada, "/v1/snapshots/then/diff")
    assert (unchanged["added"], unchanged["removed"]) == ([], [])
    new = ada.store("Plays chess on Sundays", memory_type="profile", trust_tier="T3")["memory_id"]
    ada.http.delete(f"/v1/memories/{gone}")
    corrected = correct(ada, old, "Keeps goats behind the barn")
    diff = get(ada, "/v1/snapshots/then/diff")
    assert diff["snapshot_name"] == made["snapshot_name"]
    assert (diff["snapshot_count"], diff["current_count"]) == (3, 3)
    assert {item["memory_id"] for item in diff["added"]} == {new, corrected}
    assert {item["memory_id"] for item in diff["removed"]} == {gone, old}
    assert kept not in str(diff)
    (chess,) = (item for item in diff["added"] if item["memory_id"] == new)
    assert chess == {
        "memory_id": new,
        "content": "Plays chess on Sundays",
        "memory_type": "profile",
        "trust_tier": "T3",
    }


def test_diff_limits_each_list_not_the_counts(ada):
    post(ada, "/v1/memories/batch", memories=[{"content": TEA}, {"content": BEES}])
    take(ada, "then")
    post(ada, "/v1/memories/purge", memory_ids=[i["memory_id"] for i in get(ada, "/v1/memories")["items"]])
    post(ada, "/v1/memories/batch", memories=[{"content": f"new {w}"} for w in ("ink", "sea", "oak")])
    diff = get(ada, "/v1/snapshots/then/diff", limit=1)
    assert (len(diff["added"]), len(diff["removed"])) == (1, 1)
    assert (diff["snapshot_count"], diff["current_count"]) == (2, 3)


def test_diff_between_two_snapshots(ada):
    first = ada.store(TEA)["memory_id"]
    take(ada, "one")
    second = ada.store(DEPLOY)["memory_id"]
    ada.http.delete(f"/v1/memories/{first}")
    other = take(ada, "two")
    ada.store(BEES)  # after both, so in neither
    ada.http.delete(f"/v1/memories/{second}")
    for against in ("two", other["snapshot_name"]):
        diff = get(ada, "/v1/snapshots/one/diff", against=against)
        assert [item["memory_id"] for item in diff["added"]] == [second]
        assert [item["memory_id"] for item in diff["removed"]] == [first]
        assert (diff["snapshot_count"], diff["current_count"]) == (1, 1)
    back = get(ada, "/v1/snapshots/two/diff", against="one")
    assert [item["memory_id"] for item in back["added"]] == [first]
    itself = get(ada, "/v1/snapshots/one/diff", against="one")
    assert (itself["added"], itself["removed"]) == ([], [])
    unknown = ada.http.get("/v1/snapshots/one/diff", params={"against": "nothing"})
    assert unknown.status_code == 404


# Delete


def test_delete_one_or_several_by_path(ada):
    for name in ("one", "two", "three"):
        take(ada, name)
    assert ada.http.delete("/v1/snapshots/one,two").status_code == 204
    assert names(ada) == ["three"]
    assert ada.http.delete("/v1/snapshots/nothing").status_code == 204
    assert ada.http.delete("/v1/snapshots/three").status_code == 204
    assert ada.http.post("/v1/snapshots/three/rollback").status_code == 404
    assert ada.http.get("/v1/snapshots/three").status_code == 404
    take(ada, "three")  # the name is free again


def test_delete_by_names_prefix_or_age(ada):
    every = {"job_a", "job_b", "other"}
    for body, gone in (
        ({"names": ["job_a", "other"]}, {"job_a", "other"}),
        ({"names": "job_a, other"}, {"job_a", "other"}),
        ({"names": ["nothing", "job_b"]}, {"job_b"}),
        ({"names": ["nothing"]}, set()),
        ({"names": ["other"], "prefix": "job_", "older_than": "2999-01-01"}, {"other"}),
        ({"prefix": "job_"}, {"job_a", "job_b"}),
        ({"prefix": "job_", "older_than": "2999-01-01"}, {"job_a", "job_b"}),
        ({"prefix": "%"}, set()),
        ({"older_than": "2999-01-01"}, {"job_a", "job_b", "other"}),
        ({"older_than": "2999-01-01T00:00:00"}, {"job_a", "job_b", "other"}),
        ({"older_than": "2020-01-01"}, set()),
    ):
        for name in every - set(names(ada)):
            take(ada, name)
        text = post(ada, "/v1/snapshots/delete", **body)["result"]
        count, listed = re.fullmatch(r"Deleted (\d+) snapshot\(s\):\s?(.*)", text).groups()
        assert (int(count), set(filter(None, listed.split(", ")))) == (len(gone), gone), body
        assert set(names(ada)) == every - gone, body


def test_delete_by_internal_name(ada):
    made = take(ada, "one")
    assert post(ada, "/v1/snapshots/delete", names=[made["snapshot_name"]])["result"] == (
        "Deleted 1 snapshot(s): one"
    )


def test_delete_refuses_a_bad_date_and_says_when_nothing_is_chosen(ada):
    take(ada, "one")
    bad = ada.http.post("/v1/snapshots/delete", json={"older_than": "last week"})
    assert (bad.status_code, bad.json()["detail"]) == (
        422,
        "Validation error: older_than must be ISO date e.g. '2026-03-01'",
    )
    assert post(ada, "/v1/snapshots/delete")["result"] == "Specify 'names', 'prefix', or 'older_than'"
    assert names(ada) == ["one"]


def test_restore_points_do_not_go_by_their_age(ada):
    purged = post(ada, "/v1/memories/purge", memory_ids=[ada.store(TEA)["memory_id"]])
    take(ada, "named")
    assert post(ada, "/v1/snapshots/delete", older_than="2999-01-01")["result"] == (
        "Deleted 1 snapshot(s): named"
    )
    roll_back(ada, purged["snapshot_name"])
    assert ada.contents() == [TEA]


def test_restore_points_go_by_their_prefix(ada):
    purged = post(ada, "/v1/memories/purge", memory_ids=[ada.store(TEA)["memory_id"]])
    take(ada, "named")
    assert post(ada, "/v1/snapshots/delete", prefix="pre_")["result"].startswith(
        "Deleted 1 snapshot(s): pre_"
    )
    assert names(ada, include="automatic") == ["named"]
    assert ada.http.post(f"/v1/snapshots/{purged['snapshot_name']}/rollback").status_code == 404


# Rollback


def test_rollback_brings_the_past_back_as_it_was(ada):
    deleted = ada.store(DEPLOY, session_id="s1", subject_id="cust-1", extra_metadata={"a": 1})
    fixed = ada.store(TEA)
    refreshed = ada.store(BEES, extra_metadata={"hives": 2})
    then = get(ada, "/v1/memories")["items"]
    take(ada, "then")
    ada.store("Stored too late")
    ada.http.delete(f"/v1/memories/{deleted['memory_id']}")
    newer = correct(ada, fixed["memory_id"], "Prefers coffee")
    ada.store(BEES, extra_metadata={"hives": 3})
    assert roll_back(ada, "then")["result"] == "Rolled back to snapshot 'then'"
    assert get(ada, "/v1/memories")["items"] == then
    assert get(ada, f"/v1/memories/{refreshed['memory_id']}")["extra_metadata"] == {"hives": 2}
    assert ada.http.get(f"/v1/memories/{newer}").status_code == 404


def test_rollback_can_be_undone_and_the_undo_too(ada):
    ada.store(TEA)
    take(ada, "then")
    ada.store(BEES)
    done = roll_back(ada, "then")
    assert ada.contents() == [TEA]
    undone = roll_back(ada, done["restore_point"])
    assert ada.contents() == [TEA, BEES]
    roll_back(ada, undone["restore_point"])
    assert ada.contents() == [TEA]
    assert names(ada) == ["then"]
    assert len(names(ada, include="automatic")) == 4


def test_rollbacks_go_back_and_forth(ada):
    ada.store(TEA)
    first = take(ada, "v1")
    ada.store(BEES)
    take(ada, "v2")
    ada.store(DEPLOY)
    for name, known in (
        ("v2", [TEA, BEES]),
        (first["snapshot_name"], [TEA]),
        ("v2", [TEA, BEES]),
        ("v2", [TEA, BEES]),
    ):
        roll_back(ada, name)
        assert ada.contents() == known
    assert names(ada) == ["v2", "v1"]


def test_rollback_to_an_empty_past_and_back(ada):
    take(ada, "nothing_yet")
    ada.store(TEA)
    done = roll_back(ada, "nothing_yet")
    assert ada.contents() == []
    roll_back(ada, done["restore_point"])
    assert ada.contents() == [TEA]


def test_rollback_rewrites_main_whatever_is_checked_out(ada):
    ada.store(TEA)
    take(ada, "then")
    ada.store(DEPLOY)
    post(ada, "/v1/branches", name="exp")
    post(ada, "/v1/branches/exp/checkout")
    ada.store(BEES)
    roll_back(ada, "then")
    assert ada.contents() == [TEA, DEPLOY, BEES]
    assert ada.contents(branch="main") == [TEA]
    active = [item["name"] for item in get(ada, "/v1/branches")["branches"] if item["active"]]
    assert active == ["exp"]


def test_rollback_is_what_retrieval_sees(ada):
    fixed = ada.store(DEPLOY)["memory_id"]
    take(ada, "then")
    correct(ada, fixed, "Deploys run from the green barn")
    roll_back(ada, "then")
    for route in ("retrieve", "search"):
        found = post(ada, f"/v1/memories/{route}", query="which cluster do deploys run from")
        assert [item["content"] for item in found] == [DEPLOY]


def test_stores_go_on_after_a_rollback(ada):
    take(ada, "then")
    first = ada.store(TEA)["memory_id"]
    roll_back(ada, "then")
    again = ada.store(TEA)["memory_id"]
    assert again != first
    assert ada.contents() == [TEA]


def test_an_unknown_snapshot_rolls_nothing_back(ada):
    ada.store(TEA)
    answer = ada.http.post("/v1/snapshots/nothing/rollback")
    assert (answer.status_code, answer.json()["detail"]) == (404, "Memory not found: Snapshot 'nothing'")
    assert ada.contents() == [TEA]
    assert names(ada, include="automatic") == []


def test_deleting_a_snapshot_leaves_the_others_as_they_were(ada):
    ada.store(TEA)
    take(ada, "one")
    ada.store(BEES)
    take(ada, "two")
    ada.store(DEPLOY)
    ada.http.delete("/v1/snapshots/one")
    assert ada.contents(at="two") == [TEA, BEES]
    roll_back(ada, "two")
    assert ada.contents() == [TEA, BEES]


def test_a_wrong_method_says_which_are_right(ada):
    for method, path, allowed in (
        ("PUT", "/v1/snapshots", "GET, POST, HEAD"),
        ("GET", "/v1/snapshots/delete", "POST"),
        ("GET", "/v1/snapshots/x/rollback", "POST"),
        ("POST", "/v1/snapshots/x/diff", "GET, HEAD"),
    ):
        answer = ada.http.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
