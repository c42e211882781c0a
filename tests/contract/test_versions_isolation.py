"""Ben never sees, changes or blocks Ada's snapshots, branches and memories, whatever they are called."""

TEA = "Prefers green tea in the morning"
COFFEE = "Switched to black coffee at noon"
BEES = "Keeps bees behind the house"


def post(person, path, **body):
    answer = person.http.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def get(person, path, **query):
    answer = person.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def life(person):
    """The same memories, snapshot and branch for everybody; returns the ids by content."""
    first = person.store(TEA, session_id="s1")["memory_id"]
    snapshot = post(person, "/v1/snapshots", name="then")["snapshot_name"]
    post(person, "/v1/branches", name="exp")
    added = person.store(BEES, branch="exp", session_id="s1")["memory_id"]
    return {"first": first, "added": added, "snapshot": snapshot}


def state(person):
    """Everything versions show of a person."""
    return {
        "main": get(person, "/v1/memories"),
        "exp": get(person, "/v1/memories", branch="exp"),
        "then": get(person, "/v1/snapshots/then"),
        "snapshots": get(person, "/v1/snapshots", include="automatic"),
        "branches": get(person, "/v1/branches"),
        "diff": get(person, "/v1/branches/exp/diff-items"),
        "log": get(person, "/v1/log"),
    }


def test_the_same_names_are_two_lives(ada, ben):
    of_ada, of_ben = life(ada), life(ben)
    shown = state(ben)
    text = str(shown)
    assert of_ben["first"] in text
    assert of_ben["added"] in text
    for secret in (of_ada["first"], of_ada["added"], ada.user_id):
        assert secret not in text
    for steps in (get(ada, "/v1/log")["commits"], shown["log"]["commits"]):
        assert len(steps) == 2
    for route in ("retrieve", "search"):
        for fields in ({"at": "then"}, {"branch": "exp"}, {"branch": "exp", "at": "then"}):
            found = post(
                ben, f"/v1/memories/{route}", query="green tea, bees and a house", top_k=50, **fields
            )
            assert {item["user_id"] for item in found} == {ben.user_id}


def test_what_ben_does_under_the_same_names_leaves_ada_as_she_was(ada, ben):
    life(ada), life(ben)
    before = state(ada)
    for method, path, body in (
        ("POST", "/v1/snapshots/then/rollback", {}),
        ("DELETE", "/v1/snapshots/then", None),
        ("POST", "/v1/snapshots/delete", {"names": ["then"]}),
        ("POST", "/v1/snapshots/delete", {"prefix": ""}),
        ("POST", "/v1/snapshots/delete", {"prefix": "t"}),
        ("POST", "/v1/snapshots/delete", {"older_than": "2999-01-01"}),
        ("POST", "/v1/branches/exp/checkout", {}),
        ("POST", "/v1/branches/exp/merge", {"strategy": "append"}),
        ("POST", "/v1/branches/exp/merge", {"strategy": "replace"}),
        ("POST", "/v1/branches/exp/refresh", {}),
        ("DELETE", "/v1/branches/exp", None),
        ("POST", "/v1/memories/purge", {"session_id": "s1"}),
        ("POST", "/v1/memories/purge", {"topic": "bees", "branch": "exp"}),
        ("POST", "/v1/memories/correct", {"query": TEA, "new_content": COFFEE}),
        (
            "POST",
            "/v1/branches/exp/pick",
            {"selector": {"type": "retrieve", "query": "bees"}, "strategy": "accept"},
        ),
    ):
        answer = ben.http.request(method, path, **({"json": body} if body is not None else {}))
        assert answer.status_code in (200, 204), (path, answer.text)
        assert state(ada) == before, (path, body)
        ben.store(TEA)  # what an earlier turn took away is there again for the next
        post(ben, "/v1/snapshots", name="then")
        post(ben, "/v1/branches", name="exp")
        ben.store(BEES, branch="exp", session_id="s1")


def test_names_that_only_ada_has_are_unknown_to_ben(ada, ben):
    of_ada = life(ada)
    point = post(ada, "/v1/snapshots/then/rollback")["restore_point"]
    before = state(ada)
    post(ben, "/v1/branches", name="own")
    everything = {"type": "key_list", "keys": [of_ada["added"]]}
    attempts = [
        ("POST", "/v1/branches", {"name": "x", "from_snapshot": "then"}),
        ("POST", "/v1/branches/exp/checkout", None),
        ("GET", "/v1/branches/exp/diff", None),
        ("GET", "/v1/branches/exp/diff-items", None),
        ("POST", "/v1/branches/exp/merge", {}),
        ("POST", "/v1/branches/exp/refresh", None),
        ("POST", "/v1/branches/exp/apply", {"adds": [of_ada["added"]]}),
        ("POST", "/v1/branches/exp/pick", {"selector": everything}),
        ("POST", "/v1/branches/own/pick", {"selector": everything, "target": "exp"}),
        ("POST", "/v1/memories", {"content": "x", "branch": "exp"}),
        ("POST", "/v1/memories/retrieve", {"query": TEA, "branch": "exp"}),
        ("GET", "/v1/memories?branch=exp", None),
    ]
    for name in ("then", of_ada["snapshot"], point):
        attempts += [
            ("GET", f"/v1/snapshots/{name}", None),
            ("GET", f"/v1/snapshots/{name}/diff", None),
            ("POST", f"/v1/snapshots/{name}/rollback", None),
            ("GET", f"/v1/memories?at={name}", None),
            ("GET", f"/v1/memories/{of_ada['first']}?at={name}", None),
            ("POST", "/v1/memories/retrieve", {"query": TEA, "at": name}),
            ("POST", "/v1/memories/search", {"query": TEA, "at": name}),
        ]
    for method, path, body in attempts:
        answer = ben.http.request(method, path, **({"json": body} if body is not None else {}))
        assert answer.status_code == 404, (method, path, body, answer.text)
        assert of_ada["first"] not in answer.text.replace(path, "")
        assert ada.user_id not in answer.text
    for name in ("then", of_ada["snapshot"], point):
        assert ben.http.delete(f"/v1/snapshots/{name}").status_code == 204
        assert post(ben, "/v1/snapshots/delete", names=[name])["result"].startswith("Deleted 0 ")
    assert ben.http.delete("/v1/branches/exp").status_code == 204
    assert state(ada) == before
    assert ben.contents() == []


def test_ids_of_ada_mean_nothing_on_bens_branch(ada, ben):
    of_ada = life(ada)
    life(ben)
    before, ids = state(ada), [of_ada["first"], of_ada["added"]]
    applied = post(
        ben,
        "/v1/branches/exp/apply",
        adds=ids,
        removes=ids,
        updates=[{"old_id": ids[0], "new_id": ids[1]}],
        accept_branch_conflicts=ids,
    )
    assert not any(applied[name] for name in applied if name.startswith("applied"))
    picked = post(ben, "/v1/branches/exp/pick", selector={"type": "key_list", "keys": ids})
    assert picked["result"] == "No pickable changes found in branch 'exp' for the selected keys."
    for memory_id in ids:
        for branch in ("main", "exp"):
            for method, path, more in (
                ("GET", "", {"params": {"branch": branch}}),
                ("GET", "", {"params": {"branch": branch, "at": "then"}}),
                ("GET", "/history", {"params": {"branch": branch}}),
                ("DELETE", "", {"params": {"branch": branch}}),
                ("PUT", "/correct", {"json": {"new_content": COFFEE, "branch": branch}}),
            ):
                answer = ben.http.request(method, f"/v1/memories/{memory_id}{path}", **more)
                assert answer.status_code == 404, (method, path, branch)
            body = {"memory_ids": [memory_id], "branch": branch}
            assert ben.http.post("/v1/memories/purge", json=body).status_code == 404
            assert ben.http.post("/v1/memories/purge", json=body | {"dry_run": True}).status_code == 404
    assert state(ada) == before
    assert len(ben.contents(branch="exp")) == 2


def test_one_users_full_house_blocks_nobody(ada, ben):
    for number in range(20):
        post(ada, "/v1/snapshots", name=f"n{number}")
        post(ada, "/v1/branches", name=f"n{number}")
    assert post(ben, "/v1/snapshots", name="n1")["created"] is True
    assert post(ben, "/v1/branches", name="n1")["result"] == "Created branch 'n1'"
    assert get(ben, "/v1/snapshots")["total"] == 1
    assert len(get(ben, "/v1/branches")["branches"]) == 2


def test_a_checkout_moves_only_its_person(ada, ben):
    life(ada), life(ben)
    post(ada, "/v1/branches/exp/checkout")
    ben.store("Bens own note")
    assert ben.contents() == [TEA, "Bens own note"]
    assert ada.contents() == [TEA, BEES]
    ben.http.delete("/v1/branches/exp")
    assert get(ada, "/v1/branches")["result"] == "Branches:\nmain\nexp ← active"


def test_ben_may_name_his_snapshot_like_adas_internal_one(ada, ben):
    of_ada = life(ada)
    before = state(ada)
    made = post(ben, "/v1/snapshots", name=of_ada["snapshot"])
    assert (made["created"], made["memory_count"]) == (True, 0)
    post(ben, f"/v1/snapshots/{made['snapshot_name']}/rollback")
    ben.http.delete(f"/v1/snapshots/{made['snapshot_name']}")
    assert state(ada) == before


def test_a_rollback_of_one_leaves_the_others_present(ada, ben):
    life(ada), life(ben)
    for person in (ada, ben):
        person.store("Came later")
    post(ben, "/v1/snapshots/then/rollback")
    assert ben.contents() == [TEA]
    assert ada.contents() == [TEA, "Came later"]


def test_an_administrator_stays_in_the_named_users_versions(ada, ben, ops):
    life(ada), life(ben)
    before = state(ada)
    as_ben = {"X-User-Id": ben.user_id}
    assert ops.post("/v1/branches/exp/merge", json={}, headers=as_ben).status_code == 200
    assert ops.post("/v1/snapshots", json={"name": "more"}, headers=as_ben).status_code == 201
    assert ben.contents() == [TEA, BEES]
    assert state(ada) == before
