"""Old rows that nobody wrote on purpose, but that old databases hold."""

import json

from apps.legacy.made import START, raw_key
from memoria.naming import key_hash
from tests.apps.legacy.deployment import Deployment, plain


def first_ids(deployment: Deployment, user_id: str) -> list[str]:
    rows = deployment.old_rows(f"SELECT memory_id FROM mem_memories WHERE user_id = '{user_id}' ORDER BY 1")
    return [row[0] for row in rows]


def test_log_entries_that_were_written_twice_come_once(deployment: Deployment) -> None:
    # W-32: the old server wrote its log again where it did not know whether it had; there is no key
    (entry,) = deployment.old_rows("SELECT MIN(edit_id) FROM mem_edit_log WHERE user_id = 'Ada'")[0]
    columns = "user_id, memory_id, operation, payload, reason, snapshot_before"
    again = f"INSERT INTO mem_edit_log SELECT edit_id, {columns}, '2024-06-01 00:00:00.5', created_by"
    deployment.write(f"{again} FROM mem_edit_log WHERE edit_id = '{entry}'")
    wanted = deployment.old_rows("SELECT COUNT(DISTINCT edit_id) FROM mem_edit_log WHERE user_id = 'Ada'")[0][
        0
    ]
    assert "written twice" in deployment.migrate("copy")
    deployment.cutover()
    assert deployment.target_rows("Ada", "SELECT COUNT(*) FROM mem_edit_log")[0][0] == wanted
    kept = deployment.target_rows("Ada", f"SELECT created_at FROM mem_edit_log WHERE edit_id = '{entry}'")
    assert plain(kept[0])[0].startswith("2024-01-01")  # type: ignore[union-attr]


def test_words_that_are_none_of_ours_are_said_and_stay_readable(deployment: Deployment) -> None:
    ids = first_ids(deployment, "Ada")
    deployment.write(
        f"UPDATE mem_memories SET memory_type = 'insight' WHERE memory_id = '{ids[0]}'",
        f"UPDATE mem_memories SET trust_tier = 'verified' WHERE memory_id = '{ids[1]}'",
        f"UPDATE mem_memories SET trust_tier = NULL, initial_confidence = 7 WHERE memory_id = '{ids[2]}'",
        f"UPDATE mem_memories SET content = '{'long text ' * 6000}' WHERE memory_id = '{ids[3]}'",
        f"UPDATE mem_memories SET observed_at = '2090-01-01 00:00:00' WHERE memory_id = '{ids[4]}'",
        f"UPDATE mem_memories SET superseded_by = 'nobody', is_active = 0 WHERE memory_id = '{ids[5]}'",
    )
    said = deployment.migrate("plan")
    assert "memory_type 'insight'" in said
    assert "trust_tier 'verified'" in said
    assert "memory_type 'insight'" in deployment.migrate("plan", "--strict", code=3)
    deployment.cutover()
    server = deployment.serve()
    try:
        ada = server.client(raw_key("Ada"))
        odd = ada.get(f"/v1/memories/{ids[0]}").json()
        assert (odd["memory_type"], odd["extra_metadata"]["legacy_memory_type"]) == ("semantic", "insight")
        odd = ada.get(f"/v1/memories/{ids[1]}").json()
        assert (odd["trust_tier"], odd["extra_metadata"]["legacy_trust_tier"]) == ("T3", "verified")
        for query in ("coffee", "long text"):
            answer = ada.post(
                "/v1/memories/retrieve", json={"query": query, "top_k": 50, "explain": "analyze"}
            )
            assert answer.status_code == 200, answer.text
            assert answer.json()["results"]
        listed = ada.get("/v1/memories", params={"limit": "500"}).json()["items"]
        assert set(ids) - {ids[5]} <= {item["memory_id"] for item in listed} | set(ids[9::10])
    finally:
        server.stop()


def test_two_keys_of_one_secret_are_one(deployment: Deployment) -> None:
    secret = raw_key("Ada")
    twin = (
        f"('key-twin', 'Ada', NULL, 'twin', '{key_hash(secret)}', '{secret[:12]}', 1, '{START}', NULL, NULL)"
    )
    deployment.write(f"INSERT INTO mem_api_keys VALUES {twin}")
    report = deployment.folder / "report.json"
    deployment.migrate("cutover", "--yes", "--quiet-seconds", "0.1", "--report-out", str(report))
    assert any("is there already" in warning for warning in json.loads(report.read_text())["warnings"])
    server = deployment.serve()
    try:
        assert server.client(secret).get("/v1/memories").status_code == 200
    finally:
        server.stop()
