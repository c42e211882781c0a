"""Correcting by id and by query, and the history that leaves: endpoints 12, 16 and 17."""

from concurrent.futures import ThreadPoolExecutor

TEA = "Prefers green tea in the morning"
COFFEE = "Switched to black coffee at noon"
WATER = "Drinks plain water only"
BEES = "Keeps bees behind the house"


def correct(person, memory_id, text, **fields):
    answer = person.http.put(f"/v1/memories/{memory_id}/correct", json={"new_content": text, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def try_by_query(person, query, text, **fields):
    body = {"query": query, "new_content": text, **fields}
    return person.http.post("/v1/memories/correct", json=body)


def history(person, memory_id, **query):
    answer = person.http.get(f"/v1/memories/{memory_id}/history", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_correction_takes_the_place_of_the_memory(ada):
    old = ada.store(
        TEA,
        memory_type="profile",
        trust_tier="T1",
        session_id="s1",
        subject_id="cust-1",
        extra_metadata={"a": 1},
    )
    new = correct(ada, old["memory_id"], COFFEE)
    assert new["memory_id"] != old["memory_id"]
    assert new["content"] == COFFEE
    assert (new["memory_type"], new["session_id"], new["subject_id"]) == ("profile", "s1", "cust-1")
    assert (new["trust_tier"], new["is_active"]) == ("T2", True)
    assert new["extra_metadata"] == {"a": 1}
    assert new["created_at"].endswith("+00:00")
    assert new["observed_at"] > old["observed_at"]
    assert ada.contents() == [COFFEE]
    assert ada.http.get(f"/v1/memories/{new['memory_id']}").json() == new
    assert ada.http.get(f"/v1/memories/{old['memory_id']}").status_code == 404
    found = ada.http.post("/v1/memories/retrieve", json={"query": "green tea or black coffee"}).json()
    assert [item["content"] for item in found] == [COFFEE]


def test_history_is_a_chain_that_says_who_when_and_why(ada):
    first = ada.store(TEA, memory_type="profile")["memory_id"]
    second = correct(ada, first, COFFEE, reason="doctor said so")["memory_id"]
    third = correct(ada, second, WATER, reason="sleeps badly")["memory_id"]
    shown = history(ada, first)
    assert (shown["memory_id"], shown["total"]) == (first, 3)
    chain = [(v["memory_id"], v["content"], v["is_active"], v["superseded_by"]) for v in shown["versions"]]
    assert chain == [
        (first, TEA, False, second),
        (second, COFFEE, False, third),
        (third, WATER, True, None),
    ]
    assert {v["memory_type"] for v in shown["versions"]} == {"profile"}
    assert {v["changed_by"] for v in shown["versions"]} == {ada.user_id}
    moments = [v["changed_at"] for v in shown["versions"]]
    assert moments == sorted(moments)
    assert all(moment.endswith("+00:00") for moment in moments)
    given = ["doctor said so", "sleeps badly"]
    assert [v["reason"] for v in shown["versions"] if v["reason"] in given] == given
    for memory_id in (second, third):
        assert history(ada, memory_id) == {**shown, "memory_id": memory_id}


def test_history_says_how_each_version_came_to_be_what_it_is(ada):
    first = ada.store(TEA)["memory_id"]
    ada.http.post("/v1/snapshots", json={"name": "then"})
    second = correct(ada, first, COFFEE, reason="doctor said so")["memory_id"]
    told = [(v["operation"], v["reason"]) for v in history(ada, second)["versions"]]
    assert told == [("correct", "doctor said so"), ("correct", "")]
    ada.http.post("/v1/snapshots/then/rollback")
    (version,) = history(ada, first)["versions"]
    assert (version["is_active"], version["operation"], version["reason"]) == (True, "rollback", "")
    assert version["changed_by"] == ada.user_id


def test_history_of_main_does_not_speak_of_branches(ada):
    first = ada.store(TEA)["memory_id"]
    ada.http.post("/v1/branches", json={"name": "exp"})
    correct(ada, first, COFFEE, branch="exp", reason="a try")
    (version,) = history(ada, first)["versions"]
    assert (version["is_active"], version["operation"]) == (True, "inject")
    ada.http.post("/v1/branches/exp/merge", json={})
    told = [(v["content"], v["operation"]) for v in history(ada, first)["versions"]]
    assert told == [(TEA, "branch_merge"), (COFFEE, "branch_merge")]


def test_the_history_of_a_plain_memory_is_itself(ada):
    memory_id = ada.store(TEA)["memory_id"]
    shown = history(ada, memory_id)
    assert shown["total"] == 1
    (version,) = shown["versions"]
    assert (version["memory_id"], version["is_active"], version["superseded_by"]) == (memory_id, True, None)
    assert version["changed_by"] == ada.user_id


def test_the_history_of_a_branch_is_its_own(ada):
    first = ada.store(TEA)["memory_id"]
    ada.http.post("/v1/branches", json={"name": "exp"})
    correct(ada, first, COFFEE, branch="exp")
    correct(ada, first, WATER)
    assert [v["content"] for v in history(ada, first)["versions"]] == [TEA, WATER]
    assert [v["content"] for v in history(ada, first, branch="exp")["versions"]] == [TEA, COFFEE]


def test_there_is_no_history_of_an_unknown_memory(ada):
    answer = ada.http.get(f"/v1/memories/{'0' * 32}/history")
    assert (answer.status_code, answer.json()["detail"]) == (404, "Memory not found")


def test_only_what_is_active_can_be_corrected(ada, ben):
    corrected, deleted = ada.store(TEA)["memory_id"], ada.store(BEES)["memory_id"]
    new = correct(ada, corrected, COFFEE)["memory_id"]
    ada.http.delete(f"/v1/memories/{deleted}")
    bens = ben.store(TEA)["memory_id"]
    for memory_id, because in (
        (corrected, f": it was replaced by {new}"),
        (deleted, ": it was deleted"),
        (bens, ""),
        ("0" * 32, ""),
        ("no-id", ""),
    ):
        answer = ada.http.put(f"/v1/memories/{memory_id}/correct", json={"new_content": "x"})
        assert (answer.status_code, answer.json()["detail"]) == (404, f"Memory not found{because}")
    assert ada.contents() == [COFFEE]
    assert ben.contents() == [TEA]


def test_a_correction_to_what_another_memory_says_merges_them(ada):
    old = ada.store(TEA, extra_metadata={"a": 1}, trust_tier="T3")
    other = ada.store(COFFEE, trust_tier="T3")
    elsewhere = ada.store(COFFEE, session_id="s1")
    for text in (COFFEE.upper(), COFFEE + "."):  # the same in other letters
        kept = correct(ada, old["memory_id"], text, reason="it was coffee")
        assert (kept["memory_id"], kept["content"]) == (other["memory_id"], COFFEE)
        assert kept["decision"]["action"] == "duplicate"
        assert (kept["trust_tier"], kept["extra_metadata"]) == ("T2", {"a": 1})
        assert ada.contents() == [COFFEE, COFFEE]
        versions = {v["memory_id"]: v for v in history(ada, other["memory_id"])["versions"]}
        assert versions[old["memory_id"]]["superseded_by"] == other["memory_id"]
        assert versions[old["memory_id"]]["reason"] == "it was coffee"
        old = ada.store(TEA, extra_metadata={"a": 1})
    assert ada.http.get(f"/v1/memories/{elsewhere['memory_id']}").json()["session_id"] == "s1"


def test_a_correction_to_the_same_text_changes_nothing(ada):
    old = ada.store(TEA, trust_tier="T1")
    same = correct(ada, old["memory_id"], TEA)
    assert (same["memory_id"], same["is_active"], same["trust_tier"]) == (old["memory_id"], True, "T1")
    assert same["decision"]["action"] == "duplicate"
    assert correct(ada, old["memory_id"], TEA + "!")["content"] == TEA + "!"  # its letters may be corrected
    assert ada.contents() == [TEA + "!"]


def test_a_correction_ends_what_is_less_trusted_and_names_the_rest(ada):
    wrong = ada.store("The deadline is March 3", trust_tier="T1")["memory_id"]
    guess = ada.store("The deadline is March 5", trust_tier="T3")["memory_id"]
    sure = ada.store("The deadline of the deadline report is March 8")["memory_id"]
    new = correct(ada, wrong, "The deadline is March 9")
    assert new["trust_tier"] == "T2"
    shown = ada.http.get(f"/v1/memories/{new['memory_id']}").json()
    assert "conflicts_with" not in shown
    assert ada.contents() == ["The deadline of the deadline report is March 8", "The deadline is March 9"]
    for gone in (wrong, guess):
        assert history(ada, gone)["versions"][-1]["memory_id"] == new["memory_id"]
    assert ada.http.get(f"/v1/memories/{sure}").status_code == 200


def test_a_correction_on_a_branch_stays_there(ada):
    old = ada.store(TEA)["memory_id"]
    ada.http.post("/v1/branches", json={"name": "exp"})
    ada.store(COFFEE, branch="exp")
    kept = correct(ada, old, COFFEE, branch="exp")
    assert kept["decision"]["action"] == "duplicate"
    assert (ada.contents(), ada.contents(branch="exp")) == ([TEA], [COFFEE])
    again = ada.http.put(f"/v1/memories/{old}/correct", json={"new_content": WATER, "branch": "exp"})
    assert (again.status_code, kept["memory_id"] in again.json()["detail"]) == (404, True)
    nowhere = ada.http.put(f"/v1/memories/{old}/correct", json={"new_content": WATER, "branch": "nowhere"})
    assert nowhere.status_code == 404
    assert correct(ada, old, WATER)["content"] == WATER


def test_of_simultaneous_corrections_one_wins(ada):
    memory_id = ada.store(TEA)["memory_id"]
    path = f"/v1/memories/{memory_id}/correct"
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda n: ada.http.put(path, json={"new_content": f"{BEES} {'x' * n}"}).status_code, range(4)
            )
        )
    assert sorted(answers) == [200, 404, 404, 404]
    assert len(ada.contents()) == 1


def test_a_secret_is_blocked_and_nothing_changes(ada):
    memory_id = ada.store(TEA)["memory_id"]
    for text in ("password = hunter2", "key AKIAIOSFODNN7EXAMPLE"):
        by_id = ada.http.put(f"/v1/memories/{memory_id}/correct", json={"new_content": text})
        for answer in (by_id, try_by_query(ada, TEA, text)):
            assert answer.status_code == 403, answer.text
            assert answer.json()["detail"].startswith("Blocked: ")
    assert ada.contents() == [TEA]


def test_personal_data_is_masked(ada):
    memory_id = ada.store(TEA)["memory_id"]
    corrected = correct(ada, memory_id, "Write to ada@example.org")
    assert (corrected["content"], corrected["masked"]) == ("Write to [email]", ["email"])
    assert "masked" not in correct(ada, corrected["memory_id"], BEES)


def test_a_body_of_the_wrong_shape_is_refused(ada):
    memory_id = ada.store(TEA)["memory_id"]
    for body in ({}, {"new_content": None}, {"new_content": 5}, {"new_content": "x", "reason": 1}):
        assert ada.http.put(f"/v1/memories/{memory_id}/correct", json=body).status_code == 422
        assert ada.http.post("/v1/memories/correct", json={"query": TEA, **body}).status_code == 422
    assert ada.contents() == [TEA]


def test_a_correction_can_be_rolled_back(ada):
    memory_id = ada.store(TEA)["memory_id"]
    ada.http.post("/v1/snapshots", json={"name": "then"})
    correct(ada, memory_id, COFFEE)
    ada.http.post("/v1/snapshots/then/rollback")
    assert ada.contents() == [TEA]
    assert correct(ada, memory_id, WATER)["content"] == WATER
    assert [v["content"] for v in history(ada, memory_id)["versions"]] == [TEA, WATER]


# By query


def test_a_query_corrects_the_best_match_only(ada):
    old = ada.store(TEA, session_id="s1")["memory_id"]
    ada.store(BEES)
    answer = try_by_query(ada, "green tea in the morning", COFFEE, reason="doctor said so")
    assert answer.status_code == 200
    new = answer.json()
    assert (new["content"], new["trust_tier"], new["session_id"]) == (COFFEE, "T2", "s1")
    assert ada.contents() == [BEES, COFFEE]
    versions = history(ada, old)["versions"]
    assert [v["content"] for v in versions] == [TEA, COFFEE]
    assert "doctor said so" in [v["reason"] for v in versions]


def test_a_query_without_a_match_corrects_nothing(ada):
    answer = try_by_query(ada, "anything", "x")
    assert (answer.status_code, answer.json()["detail"]) == (404, "No matching memory found")
    assert ada.contents() == []


def test_a_query_keeps_to_its_session_subject_and_types(ada):
    ada.store("Green tea for the first session", session_id="s1")
    ada.store("Green tea for the customer", subject_id="cust-1")
    ada.store("Green tea as a profile", memory_type="profile")
    for fields, old in (
        ({"session_id": "s1", "session_scope": "only", "memory_types": ["semantic"]}, "first session"),
        ({"subject_id": "cust-1"}, "customer"),
        ({"memory_types": ["profile"]}, "as a profile"),
    ):
        answer = try_by_query(ada, f"Green tea {old}", WATER + f" says the {old}", **fields)
        assert answer.status_code == 200
        assert not any(text.endswith(old) and text.startswith("Green") for text in ada.contents())
    assert len(ada.contents()) == 3


def test_a_strict_session_never_reaches_another_one(ada):
    ada.store(TEA, session_id="s1")
    answer = try_by_query(ada, TEA, COFFEE, session_id="s2", session_scope="only")
    assert answer.status_code == 404
    assert ada.contents() == [TEA]


def test_a_query_refuses_bad_input(ada):
    ada.store(TEA)
    for fields, text in (
        ({"session_scope": "only"}, "session_id is required when session_scope is set"),
        (
            {"session_id": "s", "session_scope": "all"},
            "Invalid session_scope 'all'. Use 'prefer' or 'only'.",
        ),
        ({"memory_types": ["nope"]}, "Invalid memory type: nope"),
    ):
        answer = try_by_query(ada, TEA, COFFEE, **fields)
        assert answer.status_code == 422
        assert text in answer.json()["detail"]
    assert ada.contents() == [TEA]


def test_a_time_alone_names_nothing_to_correct(ada):
    ada.store("The lamp in the hall is broken")
    body = {"query": "today", "new_content": "something else"}
    assert ada.http.post("/v1/memories/correct", json=body).status_code == 404
    assert ada.contents() == ["The lamp in the hall is broken"]


def test_by_query_the_new_text_tells_which_of_several_is_meant(ada):
    first, second = (f"The API timeout of service {name} is 10 seconds" for name in "AB")
    ada.store(first)
    ada.store(second)
    answer = try_by_query(ada, "API timeout", "The API timeout of service B is 30 seconds")
    assert answer.status_code == 200, answer.text
    assert sorted(ada.contents()) == [first, "The API timeout of service B is 30 seconds"]


def test_by_query_nothing_is_guessed(ada):
    ids = {ada.store(f"{name} prefers tea")["memory_id"] for name in ("Alice", "Bob")}
    answer = try_by_query(ada, "prefers tea", "prefers coffee")
    assert answer.status_code == 409, answer.text
    assert all(memory_id in answer.json()["detail"] for memory_id in ids)
    for query, text in (("Alice birthday", "Born in May"), ("phone number of Bob", "It is 5550")):
        assert try_by_query(ada, query, text).status_code == 404
    assert sorted(ada.contents()) == ["Alice prefers tea", "Bob prefers tea"]


def test_a_correction_names_what_it_disagrees_with(ada):
    sure = ada.store("Deploys are not allowed on Fridays", trust_tier="T1")["memory_id"]
    other = ada.store(BEES)["memory_id"]
    assert correct(ada, other, "Deploys are allowed on Fridays")["conflicts_with"] == [sure]
