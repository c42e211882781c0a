"""Forgetting by ids, topic or session, with a preview and a way back: endpoint 13 (and 15's restore point)."""

import re

TEA = "Prefers green tea in the morning"
DEPLOY = "Deploys run from the blue cluster"
BEES = "Keeps bees behind the house"
CHESS = "Plays chess on Sundays"


def post(person, path, **body):
    answer = person.http.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def purge(person, **body):
    return post(person, "/v1/memories/purge", **body)


def restore_points(person):
    shown = person.http.get("/v1/snapshots", params={"include": "automatic"}).json()["snapshots"]
    return [item["snapshot_name"] for item in shown]


def stored(person, *texts, **fields):
    return [person.store(text, **fields)["memory_id"] for text in texts]


def test_purge_by_ids_counts_names_a_way_back_and_is_undone_by_it(ada):
    first, second, _ = stored(ada, TEA, DEPLOY, BEES)
    done = purge(ada, memory_ids=[first, second])
    assert done["purged"] == 2
    assert re.fullmatch(r"mem_snap_.{1,21}_pre_purge_[0-9a-f]{8}", done["snapshot_name"])
    assert restore_points(ada) == [done["snapshot_name"]]
    assert ada.contents() == [BEES]
    assert ada.http.get(f"/v1/memories/{first}").status_code == 404
    for route in ("retrieve", "search"):
        assert post(ada, f"/v1/memories/{route}", query="green tea in the morning") == []
    rolled = ada.http.post(f"/v1/snapshots/{done['snapshot_name']}/rollback")
    assert rolled.status_code == 200
    assert ada.contents() == [TEA, DEPLOY, BEES]
    assert [item["content"] for item in post(ada, "/v1/memories/retrieve", query="green tea")] == [TEA]


def test_the_display_name_of_a_restore_point_rolls_back_too(ada):
    purge(ada, memory_ids=stored(ada, TEA))
    (shown,) = ada.http.get("/v1/snapshots", params={"include": "automatic"}).json()["snapshots"]
    assert ada.http.post(f"/v1/snapshots/{shown['name']}/rollback").status_code == 200
    assert ada.contents() == [TEA]


def test_an_id_given_twice_counts_once(ada):
    (memory_id,) = stored(ada, TEA)
    assert purge(ada, memory_ids=[memory_id, memory_id])["purged"] == 1


def test_an_unknown_id_leaves_everything_as_it_is(ada):
    first, second = stored(ada, TEA, BEES)
    purge(ada, memory_ids=[second])
    points = restore_points(ada)
    for missing in ("0" * 32, second, "no id at all"):
        answer = ada.http.post("/v1/memories/purge", json={"memory_ids": [first, missing]})
        assert (answer.status_code, answer.json()["detail"]) == (404, f"Memory not found: {missing}")
    assert ada.contents() == [TEA]
    assert restore_points(ada) == points


def test_purge_by_topic_takes_what_contains_it(ada):
    texts = (
        "[#100] build is red",
        "[#101] build is green",
        "Costs 100% more",
        "Costs 1000 more",
        "Naïve café",
    )
    stored(ada, *texts, "Prefers tea")
    for topic, left in (
        ("[#100] build", {*texts[1:]}),
        ("100%", {texts[1], *texts[3:]}),
        ("s_1", {texts[1], *texts[3:]}),
        ("PREFERS T", {texts[1], *texts[3:]}),
        ("Naïve", {texts[1], texts[3]}),
    ):
        before = len(ada.contents())
        done = purge(ada, topic=topic)
        assert set(ada.contents()) - {"Prefers tea"} == left, topic
        assert done["purged"] == before - len(ada.contents()), topic
    assert "Prefers tea" not in ada.contents()


def test_a_topic_needs_three_characters(ada):
    stored(ada, TEA)
    answer = ada.http.post("/v1/memories/purge", json={"topic": "te"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "Validation error: topic must be at least 3 characters"
    assert purge(ada, topic="tea")["purged"] == 1


def test_purge_by_session_is_exact(ada):
    stored(ada, TEA, DEPLOY, session_id="s1")
    stored(ada, BEES, session_id="s10")
    stored(ada, CHESS)
    assert purge(ada, session_id="s1")["purged"] == 2
    assert ada.contents() == [BEES, CHESS]


def test_purge_by_session_and_types_leaves_the_others(ada):
    for kind, text in (("semantic", TEA), ("profile", DEPLOY), ("episodic", BEES)):
        ada.store(text, memory_type=kind, session_id="s1")
    ada.store(CHESS, memory_type="profile", session_id="s2")
    assert purge(ada, session_id="s1", memory_types=["profile", "episodic"])["purged"] == 2
    assert ada.contents() == [TEA, CHESS]


def test_a_dry_run_says_what_would_go_and_keeps_it(ada):
    stored(ada, BEES, session_id="s2")
    wanted = stored(ada, TEA, "Green tea is out of stock", session_id="s1")
    selectors = (
        {"memory_ids": wanted},
        {"topic": "green tea"},
        {"session_id": "s1"},
        {"session_id": "s1", "memory_types": ["semantic"]},
    )
    for body in selectors:
        plan = purge(ada, **body, dry_run=True)
        assert (plan["purged"], plan["dry_run"]) == (2, True)
        assert sorted(plan["memory_ids"]) == sorted(wanted)
        assert "snapshot_name" not in plan
    assert len(ada.contents()) == 3
    assert restore_points(ada) == []
    for body in selectors:  # and the real run does the same
        done = purge(ada, **body)
        assert (done["purged"], ada.contents()) == (2, [BEES])
        post(ada, f"/v1/snapshots/{done['snapshot_name']}/rollback")


def test_without_a_selector_nothing_goes(ada):
    stored(ada, TEA)
    for body in (
        {},
        {"memory_ids": []},
        {"topic": "  "},
        {"session_id": ""},
        {"memory_ids": None, "memory_types": []},
    ):
        assert purge(ada, **body) == {"purged": 0}
    assert (ada.contents(), restore_points(ada)) == ([TEA], [])


def test_a_blank_selector_counts_as_absent(ada):
    memory_id, _ = stored(ada, TEA, BEES)
    assert purge(ada, memory_ids=[memory_id], topic=" ", session_id="")["purged"] == 1
    assert ada.contents() == [BEES]


def test_nothing_that_matches_is_no_error(ada):
    stored(ada, TEA)
    assert purge(ada, topic="nothing like it")["purged"] == 0
    assert purge(ada, session_id="s9")["purged"] == 0
    assert ada.contents() == [TEA]


def test_purge_refuses_bad_input(ada):
    (memory_id,) = stored(ada, TEA)
    for body, text in (
        ({"memory_types": ["semantic"]}, "memory_types requires session_id"),
        ({"topic": "tea", "session_id": "s"}, "provide only one of memory_ids, topic, or session_id"),
        ({"memory_ids": [memory_id], "topic": "tea"}, "provide only one of memory_ids, topic, or session_id"),
        ({"session_id": "s", "memory_types": ["Semantic"]}, "Invalid memory type: Semantic"),
        ({"memory_ids": "x"}, "Failed to deserialize"),
        ({"topic": 5}, "Failed to deserialize"),
    ):
        answer = ada.http.post("/v1/memories/purge", json=body)
        assert answer.status_code == 422, body
        assert text in answer.json()["detail"]
    assert (ada.contents(), restore_points(ada)) == ([TEA], [])


def test_purge_of_a_branch_leaves_main(ada):
    memory_id = ada.store(TEA, session_id="s1")["memory_id"]
    post(ada, "/v1/branches", name="exp")
    ada.store("Green tea is out of stock", branch="exp")
    done = purge(ada, topic="green tea", branch="exp")
    assert done["purged"] == 2
    assert done["snapshot_name"] in restore_points(ada)
    assert (ada.contents(), ada.contents(branch="exp")) == ([TEA], [])
    assert purge(ada, topic="green tea")["purged"] == 1
    assert ada.http.get(f"/v1/memories/{memory_id}").status_code == 404


def test_purge_follows_the_checkout(ada):
    stored(ada, TEA)
    post(ada, "/v1/branches", name="exp")
    post(ada, "/v1/branches/exp/checkout")
    assert purge(ada, topic="green tea")["purged"] == 1
    assert (ada.contents(), ada.contents(branch="main")) == ([], [TEA])


def test_every_purge_has_a_restore_point_of_its_own(ada):
    first, second = stored(ada, TEA, BEES)
    points = [purge(ada, memory_ids=[memory_id])["snapshot_name"] for memory_id in (first, second)]
    post(ada, f"/v1/snapshots/{points[1]}/rollback")
    assert ada.contents() == [BEES]
    post(ada, f"/v1/snapshots/{points[0]}/rollback")
    assert ada.contents() == [TEA, BEES]


def test_a_purge_of_a_branch_can_be_undone_there(ada):
    (kept,) = stored(ada, TEA)
    post(ada, "/v1/branches", name="exp")
    own = ada.store(BEES, branch="exp")["memory_id"]
    point = purge(ada, memory_ids=[kept, own], branch="exp")["snapshot_name"]
    ada.store("Main goes on")
    assert ada.contents(branch="exp") == []
    done = post(ada, f"/v1/snapshots/{point}/rollback?branch=exp")
    assert done["changed"] == 2
    assert ada.contents(branch="exp") == [TEA, BEES]
    assert ada.contents() == [TEA, "Main goes on"]
    post(ada, f"/v1/snapshots/{done['restore_point']}/rollback?branch=exp")
    assert ada.contents(branch="exp") == []


def test_a_branch_does_not_go_back_to_before_it_was(ada):
    stored(ada, TEA)
    post(ada, "/v1/snapshots", name="before")
    ada.store(BEES)
    post(ada, "/v1/branches", name="exp")
    for branch, status in (("exp", 409), ("nowhere", 404)):
        answer = ada.http.post("/v1/snapshots/before/rollback", params={"branch": branch})
        assert answer.status_code == status
    assert ada.contents(branch="exp") == [TEA, BEES]


def test_a_delete_can_be_undone(ada):
    (memory_id,) = stored(ada, TEA)
    ada.http.delete(f"/v1/memories/{memory_id}")
    (point,) = restore_points(ada)
    post(ada, f"/v1/snapshots/{point}/rollback")
    assert ada.contents() == [TEA]


def last_change(person, memory_id):
    """Whether a memory without corrections is active, and who changed it last, why."""
    (version,) = person.http.get(f"/v1/memories/{memory_id}/history").json()["versions"]
    return version["is_active"], version["changed_by"], version["reason"]


def test_the_reason_of_a_purge_is_kept(ada):
    (memory_id,) = stored(ada, TEA)
    purge(ada, memory_ids=[memory_id], reason="asked to forget")
    assert last_change(ada, memory_id) == (False, ada.user_id, "asked to forget")


def test_the_reason_of_a_delete_is_kept(ada):
    (memory_id,) = stored(ada, BEES)
    ada.http.delete(f"/v1/memories/{memory_id}", params={"reason": "sold the hives"})
    assert last_change(ada, memory_id) == (False, ada.user_id, "sold the hives")


def test_an_administrators_purge_counts_what_really_went(ada, ops):
    (memory_id,) = stored(ada, TEA)
    answer = ops.post(
        "/v1/memories/purge",
        json={"memory_ids": [memory_id, "0" * 32]},
        headers={"X-User-Id": ada.user_id},
    )
    assert (answer.status_code, answer.json()["purged"]) == (200, 1)
    assert ada.contents() == []


def test_what_was_purged_may_be_stored_again(ada):
    (memory_id,) = stored(ada, TEA)
    purge(ada, topic="green tea")
    assert ada.store(TEA)["memory_id"] != memory_id
    assert ada.contents() == [TEA]
