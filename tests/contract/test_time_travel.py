"""Reading the past (`at`: a snapshot's name or a time) and the log of changes (GET /v1/log)."""

import time
from datetime import UTC, datetime, timedelta, timezone

TEA = "Prefers green tea in the morning"
COFFEE = "Switched to black coffee at noon"
BEES = "Keeps bees behind the house"
DEPLOY = "Deploys run from the blue cluster"
DRINKS = "green tea or black coffee"


def post(person, path, **body):
    answer = person.http.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def correct(person, memory_id, text, **fields):
    answer = person.http.put(f"/v1/memories/{memory_id}/correct", json={"new_content": text, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["memory_id"]


def now():
    """A moment after everything before the call and before everything after it."""
    time.sleep(0.005)
    moment = datetime.now(UTC)
    time.sleep(0.005)
    return moment


def found(person, route, **body):
    return [item["content"] for item in post(person, f"/v1/memories/{route}", **body)]


def log(person, **query):
    answer = person.http.get("/v1/log", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_read_shows_what_was_known_then(ada):
    old, gone = ada.store(TEA)["memory_id"], ada.store(BEES)["memory_id"]
    made = post(ada, "/v1/snapshots", name="then")
    moment = now()
    new = correct(ada, old, COFFEE)
    ada.http.delete(f"/v1/memories/{gone}")
    ada.store(DEPLOY)
    for at in (
        "then",
        made["snapshot_name"],
        moment.isoformat(),
        moment.isoformat().replace("+00:00", "Z"),
        moment.astimezone(timezone(timedelta(hours=-5))).isoformat(),
    ):
        assert ada.contents(at=at) == [TEA, BEES]
        for memory_id, text in ((old, TEA), (gone, BEES)):
            read = ada.http.get(f"/v1/memories/{memory_id}", params={"at": at})
            assert (read.status_code, read.json()["content"], read.json()["is_active"]) == (200, text, True)
        assert ada.http.get(f"/v1/memories/{new}", params={"at": at}).status_code == 404
        for route in ("retrieve", "search"):
            assert found(ada, route, query=DRINKS, at=at) == [TEA]
            assert found(ada, route, query=DRINKS) == [COFFEE]
            assert found(ada, route, query="bees behind the house", at=at) == [BEES]
    assert ada.contents() == [COFFEE, DEPLOY]


def test_each_moment_has_its_own_answer(ada):
    moments = [now()]
    for text in (TEA, BEES, DEPLOY):
        ada.store(text)
        moments.append(now())
    post(ada, "/v1/memories/purge", topic="bees")
    moments.append(now())
    known = [ada.contents(at=moment.isoformat()) for moment in moments]
    assert known == [[], [TEA], [TEA, BEES], [TEA, BEES, DEPLOY], [TEA, DEPLOY]]
    counts = [len(found(ada, "search", query="bees behind the house", at=m.isoformat())) for m in moments]
    assert counts[0] == 0
    assert counts[2] >= 1


def test_lists_of_the_past_have_filters_and_pages(ada):
    for number, text in enumerate((TEA, BEES, DEPLOY)):
        ada.store(text, memory_type="profile" if number % 2 else "semantic", session_id=f"s{number}")
    post(ada, "/v1/snapshots", name="then")
    post(ada, "/v1/memories/purge", topic="Prefers")
    assert ada.contents(at="then", memory_type="semantic") == [TEA, DEPLOY]
    assert ada.contents(at="then", session_id="s0") == [TEA]
    seen, cursor = [], {}
    while True:
        page = ada.http.get("/v1/memories", params={"at": "then", "limit": 1, **cursor}).json()
        seen += [item["content"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [DEPLOY, BEES, TEA]


def test_metadata_is_read_as_it_was(ada):
    memory_id = ada.store(TEA, extra_metadata={"cups": 1})["memory_id"]
    moment = now().isoformat()
    ada.store(TEA, extra_metadata={"cups": 2})
    then = ada.http.get(f"/v1/memories/{memory_id}", params={"at": moment}).json()
    assert then["extra_metadata"] == {"cups": 1}


def test_a_branch_has_a_past_too(ada):
    shared = ada.store(TEA)["memory_id"]
    post(ada, "/v1/branches", name="exp")
    ada.store(BEES, branch="exp")
    post(ada, "/v1/snapshots", name="then")
    moment = now().isoformat()
    new = correct(ada, shared, COFFEE, branch="exp")
    ada.store(DEPLOY)
    for at in ("then", moment):
        assert ada.contents(branch="exp", at=at) == [TEA, BEES]
        assert ada.contents(at=at) == [TEA]
        read = ada.http.get(f"/v1/memories/{shared}", params={"branch": "exp", "at": at})
        assert read.json()["content"] == TEA
        assert ada.http.get(f"/v1/memories/{new}", params={"branch": "exp", "at": at}).status_code == 404
        assert found(ada, "retrieve", query=DRINKS, branch="exp", at=at) == [TEA]
    post(ada, "/v1/branches/exp/checkout")
    assert ada.contents(at="then") == [TEA, BEES]
    assert ada.contents(at="then", branch="main") == [TEA]


def test_a_merge_does_not_change_the_past_of_main(ada):
    post(ada, "/v1/branches", name="exp")
    ada.store(BEES, branch="exp")
    moment = now().isoformat()
    post(ada, "/v1/branches/exp/merge")
    assert (ada.contents(at=moment), ada.contents()) == ([], [BEES])


def test_the_past_stays_readable_after_a_rollback(ada):
    ada.store(TEA)
    post(ada, "/v1/snapshots", name="then")
    ada.store(BEES)
    before = now().isoformat()
    point = post(ada, "/v1/snapshots/then/rollback")["restore_point"]
    assert ada.contents() == [TEA]
    for at in (before, point):
        assert ada.contents(at=at) == [TEA, BEES]
        assert found(ada, "search", query="bees behind the house", at=at)[0] == BEES


def test_a_blank_at_is_now_and_the_future_is_no_error(ada):
    ada.store(TEA)
    assert ada.contents(at="") == [TEA]
    assert ada.http.get("/v1/memories", params={"at": "2999-01-01T00:00:00Z"}).status_code < 500
    assert ada.contents(at="2000-01-01T00:00:00Z") == []


def test_a_moment_that_cannot_be_found_is_refused_everywhere(ada):
    memory_id = ada.store(TEA)["memory_id"]
    for at in ("nothing", "2026-05-02T08:15:30", "2026-13-41T00:00:00Z"):
        for path in ("/v1/memories", f"/v1/memories/{memory_id}"):
            assert ada.http.get(path, params={"at": at}).status_code in (404, 422)
        for route in ("retrieve", "search"):
            answer = ada.http.post(f"/v1/memories/{route}", json={"query": TEA, "at": at})
            assert answer.status_code in (404, 422)


def test_a_deleted_snapshot_is_no_moment(ada):
    post(ada, "/v1/snapshots", name="then")
    ada.http.delete("/v1/snapshots/then")
    assert ada.http.get("/v1/memories", params={"at": "then"}).status_code == 404


# The log


def test_the_log_tells_what_happened_newest_first(ada):
    first = ada.store(TEA)["memory_id"]
    correct(ada, first, COFFEE)
    post(ada, "/v1/snapshots", name="then")
    post(ada, "/v1/branches", name="exp")
    ada.store(BEES, branch="exp")
    post(ada, "/v1/branches/exp/merge")
    post(ada, "/v1/memories/purge", topic="bees")
    post(ada, "/v1/snapshots/then/rollback")
    page = log(ada)
    steps = page["commits"]
    numbers = [step["seq"] for step in steps]
    assert numbers == sorted(numbers, reverse=True)
    moments = [step["created_at"] for step in steps]
    assert moments == sorted(moments, reverse=True)
    assert {step["actor_id"] for step in steps} == {ada.user_id}
    told = [(step["operation"], step["branch"]) for step in reversed(steps)]
    assert [branch for _, branch in told] == ["main", "main", "exp", "main", "main", "main"]
    for (operation, _), word in zip(
        told, ("store", "correct", "store", "merge", "purge", "rollback"), strict=True
    ):
        assert word in operation
    assert next(step for step in steps if "merge" in step["operation"])["source"] == "exp"
    assert [step["snapshot"] for step in reversed(steps)] == [None] * 5 + ["then"]
    assert [step["changes"] for step in reversed(steps)] == [1, 2, 1, 1, 1, 1]
    assert {"kind": "snapshot", "name": "then"} in [mark for step in steps for mark in step["marks"]]
    assert page["next_before"] is None


def test_the_log_comes_in_pages(ada):
    for text in (TEA, BEES, DEPLOY):
        ada.store(text)
    seen, query = [], {}
    while True:
        page = log(ada, limit=1, **query)
        seen += [step["seq"] for step in page["commits"]]
        if page["next_before"] is None:
            break
        query = {"before": page["next_before"]}
    assert seen == [step["seq"] for step in log(ada)["commits"]]
    assert len(seen) == 3
    assert ada.http.get("/v1/log", params={"limit": "abc"}).status_code == 400


def test_a_rollback_does_not_rewind_the_log(ada):
    post(ada, "/v1/snapshots", name="then")
    ada.store(TEA)
    before = log(ada)["commits"]
    post(ada, "/v1/snapshots/then/rollback")
    after = log(ada)["commits"]
    assert [step["seq"] for step in after[1:]] == [step["seq"] for step in before]
    assert "rollback" in after[0]["operation"]


def test_the_log_of_a_new_user_is_empty(ada):
    assert log(ada) == {"commits": [], "next_before": None}
