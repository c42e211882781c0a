"""Profile, entities, diagnosis, tools, governance, consolidation and reflection."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from memoria.naming import database_name, database_path
from tests import engine
from tests.running import start_server


def old(days):
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def post(person, path, **body):
    answer = person.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(person, path, **parameters):
    answer = person.http.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


# Profile


def test_a_profile_joins_the_newest_profile_memories(ada):
    ada.store("Prefers short answers", memory_type="profile", observed_at="2026-04-01T10:00:00+00:00")
    ada.store("Works in UTC+2", memory_type="profile", initial_confidence=0.85)
    ada.store("The port is 8100", subject_id="maria")
    found = get(ada, "/v1/profiles/me")
    assert (found["user_id"], found["profile"]) == (ada.user_id, "Works in UTC+2\nPrefers short answers")
    assert found["stats"]["by_type"] == {"profile": 2, "semantic": 1}
    assert (found["stats"]["total"], found["stats"]["avg_confidence"]) == (3, 0.92)
    assert found["stats"]["oldest"].startswith("2026-04-01 10:00:00")
    assert get(ada, f"/v1/profiles/{ada.user_id}", subject_id="maria")["stats"]["total"] == 1


def test_an_empty_profile_has_zeros_and_nulls(ada):
    nothing = {"by_type": {}, "total": 0, "avg_confidence": None, "oldest": None, "newest": None}
    assert get(ada, "/v1/profiles/me") == {"user_id": ada.user_id, "profile": "", "stats": nothing}


def test_only_a_master_caller_sees_anothers_profile(ada, ben, ops):
    ada.store("Prefers tea", memory_type="profile")
    refused = ben.http.get(f"/v1/profiles/{ada.user_id}")
    assert (refused.status_code, refused.json()["detail"]) == (403, "Cannot access other users' profiles")
    assert ops.get(f"/v1/profiles/{ada.user_id}").json()["profile"] == "Prefers tea"
    assert ops.get("/v1/profiles/nobody-knows").json()["stats"]["total"] == 0


def test_a_profile_on_a_branch_and_at_a_moment(ada):
    ada.store("Prefers tea", memory_type="profile")
    ada.http.post("/v1/snapshots", json={"name": "before"})
    ada.http.post("/v1/branches", json={"name": "side"})
    ada.store("Prefers coffee", memory_type="profile", branch="side")
    assert get(ada, "/v1/profiles/me", branch="side")["stats"]["total"] == 2
    assert (
        get(ada, "/v1/profiles/me")["profile"]
        == get(ada, "/v1/profiles/me", at="before")["profile"]
        == "Prefers tea"
    )
    assert ada.http.get("/v1/profiles/me", params={"branch": "nowhere"}).status_code == 404


# Entities


def test_entities_are_found_linked_and_listed(ada, ben):
    assert post(ada, "/v1/extract-entities") == {"status": "complete", "unlinked": 0}
    plain = ada.store("the kettle is broken")
    ada.store("The cache runs on Redis")
    found = post(ada, "/v1/extract-entities", mode="candidates")
    assert (found["status"], found["unlinked"]) == ("candidates", 1)
    assert found["memories"] == [{"memory_id": plain["memory_id"], "content": "the kettle is broken"}]
    assert {"name": "redis", "entity_type": "tech"} in found["existing_entities"]
    told = [
        {
            "memory_id": plain["memory_id"],
            "entities": [{"name": " Kettle "}, {"name": " "}, {"name": "Redis"}],
        }
    ]
    assert post(ada, "/v1/extract-entities/link", entities=told) == {
        "entities_created": 1,
        "entities_reused": 1,
        "edges_created": 1,
    }
    assert {"name": "kettle", "entity_type": "concept"} in get(ada, "/v1/entities")["entities"]
    assert post(ada, "/v1/extract-entities")["status"] == "complete"
    assert get(ben, "/v1/entities") == {"entities": []}


def test_links_to_foreign_or_unknown_memories_do_nothing(ada, ben):
    of_ada = ada.store("the kettle is broken")["memory_id"]
    for memory_id in (of_ada, "0" * 32):
        told = [{"memory_id": memory_id, "entities": [{"name": "kettle"}]}]
        assert post(ben, "/v1/extract-entities/link", entities=told)["entities_created"] == 0
    assert get(ben, "/v1/entities") == {"entities": []}


@pytest.mark.parametrize(
    "entity", [{"name": "x" * 201}, {"name": "x", "type": ""}, {"name": "x", "type": "y" * 21}]
)
def test_impossible_entities_are_refused(ada, entity):
    memory_id = ada.store("the kettle is broken")["memory_id"]
    body = {"entities": [{"memory_id": memory_id, "entities": [entity]}]}
    assert ada.http.post("/v1/extract-entities/link", json=body).status_code == 422


def test_a_link_that_was_told_is_used_at_once(ada):
    ada.store("the kettle is broken since Monday")
    hidden = ada.store("somebody has to call Mr Novak about it")["memory_id"]
    query = {"query": "what about Project Samovar?"}
    before = [item["memory_id"] for item in post(ada, "/v1/memories/retrieve", **query)]
    told = [{"memory_id": hidden, "entities": [{"name": "Project Samovar"}]}]
    post(ada, "/v1/extract-entities/link", entities=told)
    after = [item["memory_id"] for item in post(ada, "/v1/memories/retrieve", **query)]
    assert hidden not in before
    assert after[:1] == [hidden]


# Diagnosis and tools


def test_the_four_diagnoses_of_an_empty_user(ada):
    assert get(ada, "/v1/health/analyze") == {}
    assert get(ada, "/v1/health/storage") == {"total": 0, "active": 0, "inactive": 0, "avg_content_size": 0.0}
    assert get(ada, "/v1/health/capacity") == {
        "user_active_memories": 0,
        "global_vector_count": 0,
        "monthly_growth_rate": 0,
        "ivf_thresholds": {"optimal": 50000, "degraded": 200000},
        "recommendation": "ok",
        "embedding": {
            "model": "hashed-ngrams-512",
            "width": 512,
            "embedded": 0,
            "lacking": 0,
            "refused": 0,
            "progress": 1.0,
            "endpoints": {},
        },
    }
    assert set(get(ada, "/v1/health/hygiene").values()) == {0}


def test_the_diagnoses_count_what_is_there(ada, ben):
    ada.store("x" * 10, observed_at=old(2), memory_type="working")
    corrected = ada.store("y" * 20)["memory_id"]
    ada.http.put(f"/v1/memories/{corrected}/correct", json={"new_content": "z" * 30})
    found = get(ada, "/v1/health/analyze")
    assert (found["semantic"]["total"], found["semantic"]["contradiction_rate"]) == (2, 0.5)
    assert found["working"]["avg_staleness_hours"] == pytest.approx(48, abs=0.1)
    assert get(ada, "/v1/health/storage") == {
        "total": 3,
        "active": 2,
        "inactive": 1,
        "avg_content_size": 20.0,
    }
    assert get(ada, "/v1/health/capacity")["global_vector_count"] == 2
    assert get(ada, "/v1/health/hygiene")["stale_working_memories"] == 1
    assert get(ben, "/v1/health/storage")["total"] == 0


def test_the_total_counts_everybody_and_survives_a_broken_database(tmp_path):
    url = None
    if engine.SERVER is not None:
        name = f"memoria_hygiene_{tmp_path.name}".replace("-", "_")[:60]
        engine.SERVER.execute(f"CREATE DATABASE {name}")
        url = engine.SERVER.url(name)
    server = start_server(tmp_path, database_url=url)
    try:
        ops = server.client()
        assert server.user("ada").get("/admin/health/hygiene").status_code == 403
        for number in range(24):
            client = server.user(f"user {number} of {tmp_path.name}")
            client.post(
                "/v1/memories", json={"content": "x", "observed_at": old(2), "memory_type": "working"}
            )
        first = ops.get("/admin/health/hygiene").json()
        assert (first["users"], first["degraded"]) == (
            25,
            5,
        )  # twenty are counted by a request, workers count the rest
        second = ops.get("/admin/health/hygiene").json()
        assert (second["degraded"], second["stale_working_memories"]) == (0, 24)
        assert second["orphan_stats"] == 0
        broken = server.user(f"broken {tmp_path.name}")
        name = database_name(f"broken {tmp_path.name}")
        broken.post("/v1/memories", json={"content": "x"})
        if engine.SERVER is not None:
            engine.SERVER.execute(f"DROP TABLE {name}.mem_memories")
        else:
            (tmp_path / database_path(name)).write_bytes(b"rubbish")
        third = ops.get("/admin/health/hygiene")
        assert third.status_code == 200, third.text
        assert (third.json()["users"], third.json()["degraded"]) == (26, 1)
        assert third.json()["stale_working_memories"] == 24
    finally:
        server.stop()


def test_tools_are_noted_by_the_name_they_give(server, ada, ben):
    client = server.client(str(ada.http.headers["authorization"]).removeprefix("Bearer "))
    for headers in ({"X-Memoria-Tool": "openclaw"}, {"X-Tool-Name": "bridge"}, {"X-Memoria-Tool": "x" * 129}):
        assert client.get("/v1/memories", headers=headers).status_code == 200
    deadline = time.monotonic() + 20  # a process of the server keeps what it has noted for some seconds
    while len(found := get(ada, "/v1/tool-usage")) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert sorted(tool["tool_name"] for tool in found) == ["bridge", "openclaw"]
    assert all(tool["last_used_at"].endswith("+00:00") for tool in found)
    assert get(ben, "/v1/tool-usage") == []


# Governance


def test_governance_forgets_what_has_faded_and_can_be_undone(ada, ben):
    ada.store("a rumour of last year", trust_tier="T4", observed_at=old(300))
    ada.store("a verified fact of last year", observed_at=old(300))
    ben.store("a rumour of last year", trust_tier="T4", observed_at=old(300))
    done = post(ada, "/v1/governance")
    assert (done["quarantined"], done["orphan_graph_cleaned"]) == (1, 0)
    assert ada.contents() == ["a verified fact of last year"]
    assert ben.contents() == ["a rumour of last year"]
    skipped = post(ada, "/v1/governance")
    assert (skipped["skipped"], 0 < skipped["cooldown_remaining_s"] <= 3600) == (True, True)
    assert post(ada, "/v1/governance", force=True)["quarantined"] == 0
    assert "skipped" not in post(ben, "/v1/governance")
    assert ada.http.post(f"/v1/snapshots/{done['snapshot_name']}/rollback").status_code == 200
    assert len(ada.contents()) == 2


def test_consolidation_reports_contradictions(ada):
    ada.store("The API limit is 100 requests per minute", session_id="s1")
    ada.store("The API limit is 200 requests per minute", session_id="s2")
    ada.store("The user does not like mornings")
    ada.store("The user likes mornings")
    ada.store("Tea is served at five")
    ada.store("Redis outage number 0 was caused by a full disk")
    ada.store("Redis outage number 1 was caused by a full disk")
    found = post(ada, "/v1/consolidate")
    assert (found["status"], found["conflicts_detected"], found["decision_count"]) == ("success", 2, 2)
    assert len(ada.contents()) == 7
    assert post(ada, "/v1/consolidate")["skipped"] is True


def test_reflection_offers_clusters_over_sessions(ada):
    assert post(ada, "/v1/reflect") == {"candidates": [], "scenes_created": 0}
    for session, text in (
        ("s1", "Redis is slow"),
        ("s2", "Redis was restarted"),
        ("s2", "Redis has a new owner"),
    ):
        ada.store(text, session_id=session)
    ada.store("the kettle is broken")
    (cluster,) = post(ada, "/v1/reflect", mode="candidates")["candidates"]
    assert cluster["signal"] == "semantic_cluster"
    assert {memory["content"] for memory in cluster["memories"]} == {
        "Redis is slow",
        "Redis was restarted",
        "Redis has a new owner",
    }
    refused = ada.http.post("/v1/reflect", json={"mode": "internal"})
    assert (refused.status_code, refused.json()["detail"]) == (503, "LLM_API_KEY not configured")


def test_a_master_caller_triggers_for_anybody(ada, ben, ops):
    ada.store("a rumour of last year", trust_tier="T4", observed_at=old(300))
    for n in range(7):
        ada.store(f"note {n}", session_id=f"s{n}")
        post(ada, "/v1/memories/purge", session_id=f"s{n}")
    path = f"/admin/governance/{ada.user_id}/trigger"
    assert ops.post(path).json()["quarantined"] == 1
    for op, counted in (
        ("consolidate", "conflicts_detected"),
        ("extract_entities", "processed"),
        ("weekly", "cleaned_snapshots"),
    ):
        done = ops.post(path, params={"op": op}).json()
        assert (done["op"], done["user_id"]) == (op, ada.user_id)
        assert counted in done
    assert len(get(ada, "/v1/snapshots", include="automatic")["snapshots"]) == 5
    refused = ops.post(path, params={"op": "dance"})
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("Invalid op: dance. Must be governance|consolidate")
    assert ben.http.post(path).status_code == 403
    assert ada.http.post(path).json()["detail"] == "Master key required"
