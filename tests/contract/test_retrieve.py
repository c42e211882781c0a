"""Finding memories: section 4.6 of the contract, with the design's relevance floor and typed errors."""

import pytest

from tests.contract.conftest import Person

BOTH = pytest.mark.parametrize("route", ["retrieve", "search"])
EXPLAIN_FIELDS = {
    "level": str,
    "path": str,
    "vector_attempted": bool,
    "vector_hit": bool,
    "fulltext_attempted": bool,
    "fulltext_hit": bool,
    "graph_attempted": bool,
    "graph_hit": bool,
    "graph_candidates": int,
    "result_count": int,
    "embedding_ms": (int, float),
    "vector_ms": (int, float),
    "fulltext_ms": (int, float),
    "graph_ms": (int, float),
    "total_ms": (int, float),
}
SCORES = ("final_score", "vector_score", "keyword_score", "temporal_score", "confidence_score")
TOWNS = (
    "Graz Linz Wien Salzburg Innsbruck Klagenfurt Villach Wels Steyr Dornbirn Bregenz Leoben Krems Baden "
    "Amstetten Kapfenberg Lustenau Hallein Kufstein Traun"
).split()
OFFICES = "harbour office opens"
CHINESE = ("部署在蓝色集群上运行", "用户喜欢喝绿茶", "会议改到星期五下午", "数据库每天凌晨备份")


def post(person, route="retrieve", **body):
    return person.http.post(f"/v1/memories/{route}", json=body)


def find(person, query, route="retrieve", **fields):
    answer = post(person, route, query=query, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def contents(results):
    return [memory["content"] for memory in results]


def batch(person, texts, **fields):
    memories = [{"content": text, **fields} for text in texts]
    for start in range(0, len(memories), 100):
        answer = person.http.post("/v1/memories/batch", json={"memories": memories[start : start + 100]})
        assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def guide(server):
    """A user with twenty facts that all answer one query; tests only read them."""
    person = Person("guide", server.user("guide"))
    batch(person, [f"The harbour office of {town} opens at nine" for town in TOWNS])
    return person


@pytest.fixture(scope="module")
def chinese(server):
    """A user whose facts are in Chinese; tests only read them."""
    person = Person("chinese", server.user("chinese"))
    batch(person, CHINESE)
    return person


# Results


@BOTH
def test_results_are_a_plain_array_of_memories_best_first(ada, route):
    stored = ada.store("Deploys run from the blue cluster", extra_metadata={"scene": "ops"}, subject_id="c1")
    ada.store("The blue cluster has eleven nodes")
    results = find(ada, "where do deploys run from?", route)
    assert results[0]["memory_id"] == stored["memory_id"]
    assert results[0]["extra_metadata"] == {"scene": "ops"}
    assert results[0]["subject_id"] == "c1"
    assert results[0]["user_id"] == ada.user_id
    assert results[0]["created_at"].endswith("+00:00")
    assert not {"embedding", "source_event_ids", "superseded_by", "access_count"} & results[0].keys()


@BOTH
def test_results_are_sorted_by_their_score(guide, route):
    scores = [memory["retrieval_score"] for memory in find(guide, OFFICES + " in Graz", route, top_k=100)]
    assert len(scores) > 1
    assert all(type(score) is float for score in scores)
    assert scores == sorted(scores, reverse=True)


def test_a_query_that_nothing_answers_finds_nothing(guide):
    assert find(guide, "quantum zebra xylophone") == []
    answer = find(guide, "quantum zebra xylophone", explain="verbose")
    assert answer["results"] == []
    assert answer["explain"]["result_count"] == 0
    assert "candidate_scores" not in answer["explain"]


def test_a_user_without_memories_finds_nothing(ada):
    assert find(ada, "anything") == []
    assert find(ada, "anything", explain=True)["explain"]["path"] == "none"


def test_what_was_deleted_corrected_or_purged_never_comes_back(ada):
    deleted = ada.store("The vault code of Graz is kept by Maria")
    corrected = ada.store("The vault code of Linz is kept by Jonas")
    ada.store("The vault code of Wien is kept by Paula", session_id="gone")
    ada.store("The vault code of Wels is kept by Oskar")
    assert len(find(ada, "vault code kept by", top_k=10)) == 4
    assert ada.http.delete(f"/v1/memories/{deleted['memory_id']}").status_code == 204
    path = f"/v1/memories/{corrected['memory_id']}/correct"
    assert (
        ada.http.put(path, json={"new_content": "The vault code of Linz is kept by Emma"}).status_code == 200
    )
    assert ada.http.post("/v1/memories/purge", json={"session_id": "gone"}).json()["purged"] == 1
    for route in ("retrieve", "search"):
        left = contents(find(ada, "vault code kept by", route))
        assert sorted(left) == [
            "The vault code of Linz is kept by Emma",
            "The vault code of Wels is kept by Oskar",
        ]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "?!",
        '"',
        "AND OR NOT NEAR(",
        "* + - ~ < > ( ) @ ' \" ` \\ %",
        "office:*",
        "\x00",
        "😀",
        "中",
        "x" * 100_000,
        "office " * 5_000,
        "'; DROP TABLE mem_memories; --",
    ],
    ids=lambda query: query[:12],
)
def test_any_text_is_a_query(guide, query):
    assert isinstance(find(guide, query), list)
    assert isinstance(find(guide, query, "search", explain="analyze")["results"], list)


@pytest.mark.parametrize("fields", [{}, {"query": None}, {"query": 5}, {"query": ["x"]}])
@BOTH
def test_a_query_has_to_be_text(guide, route, fields):
    answer = post(guide, route, **fields)
    assert answer.status_code == 422
    assert "query" in answer.json()["detail"]


# How many


def test_retrieve_gives_five_and_search_ten(guide):
    assert len(find(guide, OFFICES)) == 5
    assert len(find(guide, OFFICES, "search")) == 10


@BOTH
@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (3, 3), (0, 1), (-5, 1), (20, 20), (10**6, 20)])
def test_top_k_is_clamped_from_one(guide, route, top_k, count):
    assert len(find(guide, OFFICES, route, top_k=top_k)) == count


def test_top_k_is_clamped_to_a_hundred(ada):
    batch(ada, [f"The harbour office of {town} {n} opens at nine" for n in range(6) for town in TOWNS])
    assert len(find(ada, OFFICES, top_k=101)) == 100
    assert len(find(ada, OFFICES, "search", top_k=5000)) == 100


@BOTH
@pytest.mark.parametrize("top_k", [None, "5", 5.0, 5.5, True, []], ids=repr)
def test_top_k_has_to_be_an_integer(guide, route, top_k):
    assert post(guide, route, query="x", top_k=top_k).status_code == 422


# Explain


@BOTH
@pytest.mark.parametrize("explain", [True, "true", "basic", "BASIC", "Verbose", "analyze"])
def test_explain_wraps_the_results(guide, route, explain):
    answer = find(guide, OFFICES, route, explain=explain, top_k=3)
    assert set(answer) == {"results", "explain"}
    explained = answer["explain"]
    level = str(explain).lower()
    assert explained["level"] == (level if level in ("verbose", "analyze") else "basic")
    for field, kind in EXPLAIN_FIELDS.items():
        assert isinstance(explained[field], kind), field
    assert explained["path"] in ("graph", "graph+vector", "hybrid", "fulltext")
    assert explained["result_count"] == len(answer["results"]) == 3
    assert ("candidate_scores" in explained) == (level in ("verbose", "analyze"))
    assert ("timings" in explained) == (level == "analyze")


@pytest.mark.parametrize("explain", ["verbose", "analyze"])
def test_candidate_scores_rank_the_results(guide, explain):
    answer = find(guide, OFFICES, explain=explain)
    candidates = answer["explain"]["candidate_scores"]
    assert [each["rank"] for each in candidates] == list(range(1, len(candidates) + 1))
    first = candidates[: len(answer["results"])]
    assert [each["memory_id"] for each in first] == [each["memory_id"] for each in answer["results"]]
    for candidate, memory in zip(first, answer["results"], strict=True):
        assert all(candidate[score] == round(candidate[score], 4) for score in SCORES)
        assert candidate["final_score"] == pytest.approx(memory["retrieval_score"], abs=1e-4)


def test_an_analysis_shows_how_every_place_came_about(ada):
    ada.store("The kiln was repaired", observed_at="2024-03-01T00:00:00Z")
    ada.store("The kiln is fired on Mondays", observed_at="2024-05-01T00:00:00Z")
    explained = find(ada, "when is the kiln fired now?", explain="analyze")["explain"]
    assert explained["timings"].keys() >= {
        "embedding",
        "lexical",
        "dense",
        "entity",
        "links",
        "priors",
        "cut",
    }
    assert explained["vector_ms"] == explained["timings"]["dense"]
    assert explained["intent"] == {"order": "latest"}
    assert explained["corpus_size"] == 2
    first = explained["candidate_scores"][0]
    assert first["ranks"]["lexical"] == 1
    assert first["multipliers"].keys() >= {"trust", "fresh", "feedback"}
    assert first["additions"]["order"] > 0


@pytest.mark.parametrize(
    ("query", "window", "first"),
    [
        (
            "where did we fire the pots before the kiln was repaired?",
            [None, "2024-03-01T00:00:00+00:00"],
            "Graz",
        ),
        (
            "where did we fire the pots after the kiln was repaired?",
            ["2024-03-01T00:00:00+00:00", None],
            "Linz",
        ),
    ],
)
def test_an_event_in_the_query_bounds_the_time(ada, query, window, first):
    ada.store("The kiln was repaired", observed_at="2024-03-01T00:00:00Z")
    ada.store("We fire the pots in Graz", observed_at="2024-01-01T00:00:00Z", session_id="a")
    ada.store("We fire the pots in Linz", observed_at="2024-05-01T00:00:00Z", session_id="b")
    answer = find(ada, query, explain="analyze")
    assert answer["explain"]["intent"]["window"] == window
    pots = [content for content in contents(answer["results"]) if "pots" in content]
    assert pots[0] == f"We fire the pots in {first}"


def test_a_time_in_the_query_lifts_what_is_of_it_and_nothing_else_does(ada):
    ada.store("We fire the pots in Graz", observed_at="2024-01-10T00:00:00Z", session_id="a")
    ada.store("We fire the pots in Linz", observed_at="2024-05-10T00:00:00Z", session_id="b")
    for query, first in (
        ("where did we fire the pots between April and June 2024?", "Linz"),
        ("where did we fire the pots in Q1 2024?", "Graz"),
        ("2024年1月到3月 fire the pots 在哪里", "Graz"),
        ("where were the pots fired since May 1st, 2024?", "Linz"),
    ):
        answer = find(ada, query, explain="analyze")
        assert contents(answer["results"])[0] == f"We fire the pots in {first}", query
        assert answer["explain"]["intent"]["window"], query
    for query in ("where may we fire our first pots?", "which of the 2024 pots do we fire before a show?"):
        assert find(ada, query, explain="analyze")["explain"]["intent"] == {}, query


def test_a_name_is_met_however_it_is_spelled(ada):
    memory_id = ada.store("José García fires the pots")["memory_id"]
    ada.store("Anna sells the pots")
    assert "jose garcia" in {each["name"] for each in ada.http.get("/v1/entities").json()["entities"]}
    for query in ("what does Jose Garcia do with the pots?", "what does JOSÉ do with the pots?"):
        assert find(ada, query)[0]["memory_id"] == memory_id, query


@pytest.mark.parametrize("explain", [False, "none", "false", "", " basic", "everything"])
def test_any_other_text_turns_explain_off(guide, explain):
    assert isinstance(find(guide, OFFICES, explain=explain), list)


@BOTH
@pytest.mark.parametrize("explain", [None, 1, 0.5, [], {}], ids=repr)
def test_explain_has_to_be_a_text_or_a_boolean(guide, route, explain):
    assert post(guide, route, query="x", explain=explain).status_code == 422


# Sessions


@BOTH
@pytest.mark.parametrize("scope", ["only", "prefer"])
def test_a_session_scope_needs_a_session(guide, route, scope):
    for fields in ({}, {"session_id": None}):
        answer = post(guide, route, query="x", session_scope=scope, **fields)
        assert answer.status_code == 422
        assert answer.json()["detail"] == "session_id is required when session_scope is set"


@BOTH
@pytest.mark.parametrize("scope", ["strict", "Only", "", " only"])
def test_an_unknown_session_scope_is_refused(guide, route, scope):
    answer = post(guide, route, query="x", session_id="s", session_scope=scope)
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"Invalid session_scope '{scope}'. Use 'prefer' or 'only'."


def test_null_options_are_absent_ones(guide):
    absent = dict.fromkeys(("session_id", "session_scope", "subject_id", "memory_types", "branch"))
    assert len(find(guide, OFFICES, **absent)) == 5


@BOTH
def test_a_strict_session_shows_itself_and_what_belongs_to_no_session(ada, route):
    ada.store("Deploys run from the blue cluster", session_id="s1")
    ada.store("Deploys run from the green cluster", session_id="s2")
    ada.store("Deploys run from the white cluster")
    strict = find(ada, "deploys run cluster", route, session_id="s1", session_scope="only")
    assert sorted(contents(strict)) == [
        "Deploys run from the blue cluster",
        "Deploys run from the white cluster",
    ]
    everything = find(ada, "deploys run cluster", route, session_id="s1")
    assert len(everything) == 3
    unknown = find(ada, "deploys run cluster", route, session_id="s3", session_scope="only")
    assert contents(unknown) == ["Deploys run from the white cluster"]


def test_a_strict_session_still_fills_top_k(ada):
    batch(ada, [f"{OFFICES} {OFFICES} {town}" for town in TOWNS], session_id="other")
    batch(ada, [f"The {town} office is painted red" for town in TOWNS[:3]], session_id="mine")
    batch(ada, [f"The {town} office is painted green" for town in TOWNS[3:6]])
    found = find(ada, OFFICES, session_id="mine", session_scope="only")
    assert len(found) == 5
    assert {memory["session_id"] for memory in found} == {"mine", None}


def test_sessions_are_told_apart_to_the_letter(ada):
    for session, colour in (("s1", "blue"), ("S1", "green"), (" s1 ", "white")):
        ada.store(f"Deploys run from the {colour} cluster", session_id=session)
    for session, colour in (("s1", "blue"), ("S1", "green"), (" s1 ", "white")):
        found = find(ada, "deploys run cluster", session_id=session, session_scope="only")
        assert contents(found) == [f"Deploys run from the {colour} cluster"]


@BOTH
def test_prefer_lifts_the_memories_of_the_session(ada, route):
    ada.store("Deploys run from the blue cluster", session_id="s1")
    ada.store("Deploys run from the lime cluster", session_id="s2")
    for session in ("s1", "s2"):
        found = find(ada, "deploys run cluster", route, session_id=session, session_scope="prefer")
        assert len(found) == 2
        assert found[0]["session_id"] == session


# Filters


@BOTH
def test_a_subject_sees_its_own_memories_only(ada, route):
    for subject, town in (("cust-1", "Graz"), ("cust-2", "Linz"), ("Cust-1", "Wien"), (None, "Wels")):
        ada.store(f"Prefers tea from {town}", subject_id=subject)
    for given in ("cust-1", "  cust-1\t"):
        found = find(ada, "prefers tea", route, subject_id=given)
        assert contents(found) == ["Prefers tea from Graz"]
    assert find(ada, "prefers tea", route, subject_id="cust-3") == []
    assert len(find(ada, "prefers tea", route, subject_id=" ")) == 4


@BOTH
def test_memory_types_select(ada, route):
    for kind in ("semantic", "profile", "procedural"):
        ada.store(f"The {kind} harbour note", memory_type=kind)
    types = lambda wanted: sorted(  # noqa: E731
        memory["memory_type"] for memory in find(ada, "harbour note", route, memory_types=wanted)
    )
    assert types(["profile"]) == ["profile"]
    assert types(["profile", "", "  ", "profile", "semantic"]) == ["profile", "semantic"]
    assert types([]) == types(["", " "]) == ["procedural", "profile", "semantic"]
    assert types(["tool_result"]) == []


@BOTH
@pytest.mark.parametrize("wanted", ["nope", "Profile"])
def test_an_unknown_memory_type_is_refused(guide, route, wanted):
    answer = post(guide, route, query="x", memory_types=["profile", wanted])
    assert (answer.status_code, answer.json()["detail"]) == (422, f"Invalid memory type: {wanted}")


def test_one_match_among_many_that_are_filtered_out_is_found(ada):
    batch(ada, [f"{OFFICES} {town} {n}" for n in range(10) for town in TOWNS], subject_id="crowd")
    ada.store("The harbour office of Hallein has moved", subject_id="one")
    assert contents(find(ada, OFFICES, subject_id="one")) == ["The harbour office of Hallein has moved"]


@BOTH
def test_a_branch_is_searched_on_request_and_must_exist(ada, route):
    ada.store("Deploys run from the blue cluster")
    assert ada.http.post("/v1/branches", json={"name": "idea"}).status_code == 201
    ada.store("Deploys run from the lime cluster", branch="idea")
    assert len(find(ada, "deploys run cluster", route, branch=" idea ")) == 2
    for branch in ("main", "", "  ", None):
        found = find(ada, "deploys run cluster", route, branch=branch)
        assert contents(found) == ["Deploys run from the blue cluster"]
    answer = post(ada, route, query="x", branch="nowhere")
    assert (answer.status_code, answer.json()["detail"]) == (404, "Memory not found: Branch 'nowhere'")


# What is found


@BOTH
@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("用户喜欢喝什么", "用户喜欢喝绿茶"),
        ("绿茶", "用户喜欢喝绿茶"),
        ("集群", "部署在蓝色集群上运行"),
        ("会议改到什么时候", "会议改到星期五下午"),
        ("什么时候备份数据库", "数据库每天凌晨备份"),  # "when is the database backed up?", in another order
    ],
)
def test_chinese_is_found_by_chinese(chinese, route, query, answer):
    assert contents(find(chinese, query, route))[:1] == [answer]


@pytest.mark.parametrize(
    ("identifier", "others"),
    [
        ("PAY-1187", ["PAY-1178", "PAY-118", "PAY-11870", "BAY-1187"]),
        (
            "normalize_tenant_slug",
            ["normalize_tenant", "denormalize_tenant_slug", "normalize_slug", "tenant_slug"],
        ),
        ("v1.2.3", ["v1.2.4", "v1.2", "v11.2.3", "v1.2.30"]),
    ],
)
def test_an_identifier_is_found_exactly(ada, identifier, others):
    texts = [f"Ticket about {name} was closed by the night shift" for name in [*others[:2], identifier]]
    batch(ada, texts + [f"Ticket about {name} was closed by the night shift" for name in others[2:]])
    for query in (identifier, f"what happened to {identifier}?", f"({identifier})"):
        for route in ("retrieve", "search"):
            assert f"about {identifier} was" in contents(find(ada, query, route))[0]


def test_an_exact_old_answer_beats_a_fresh_unrelated_note(ada):
    ada.store("The backup of the wiki runs on Sundays at noon", observed_at="2024-01-07T12:00:00Z")
    batch(ada, [f"Lunch with the team in {town}" for town in TOWNS])
    assert contents(find(ada, "when does the wiki backup run?"))[:1] == [
        "The backup of the wiki runs on Sundays at noon"
    ]


def test_metadata_filters_hold_before_anything_is_ranked(ada):
    for number in range(30):
        ada.store(f"The valve of pump {number} is open", extra_metadata={"site": "north", "n": number})
    found = find(ada, "Which valve is open?", extra_metadata_filter={"n": 17, "site": "north"})
    assert [item["content"] for item in found] == ["The valve of pump 17 is open"]
    ask = {"query": "Which valve is open?", "extra_metadata_filter": {"n": [17]}}
    assert ada.http.post("/v1/memories/search", json=ask).status_code == 422
