"""A memory travels whole: every column that is versioned, its vector and its words, whichever way it goes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.graph.models import MemoryEntityLink
from apps.graph.selectors import entity_ids, linked_memory_ids
from apps.memories import corpora
from apps.memories.commits import SHARED
from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.models import Memory, MergeBase, Revision
from apps.memories.retrieval import memories_retrieve
from apps.memories.selectors import row_find
from apps.memories.services.correct import memory_correct
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN, View
from apps.versioning.models import Branch, Status
from apps.versioning.reports import branch_diff
from apps.versioning.selectors import branch_view, view_at
from apps.versioning.services.branches import branch_create, branch_delete, branch_refresh
from apps.versioning.services.collect import collect
from apps.versioning.services.merge import Selection, branch_apply, branch_merge
from apps.versioning.services.pick import Keys, Policy, Range, Ranking, branch_pick
from apps.versioning.services.purge import memories_purge, purge_of
from apps.versioning.services.rollback import rollback
from apps.versioning.services.snapshots import snapshot_create, snapshots_delete
from memoria.drafts import draft
from memoria.errors import NotFound, Unavailable

pytestmark = pytest.mark.usefixtures("in_adas_database")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EMBEDDER = HashedEmbedder()


@pytest.fixture(autouse=True)
def no_corpora():
    """Every test makes ada anew; what the process remembers of her is of another database."""
    corpora.cache.clear()


class BrokenEmbedder:
    model, dim = EMBEDDER.model, EMBEDDER.dim

    def embed(self, texts: list[str]) -> object:
        raise Unavailable("the embedder is down")

    def embed_query(self, text: str) -> object:
        return self.embed([text])


def store(text: str, view: View = MAIN) -> str:
    wanted = draft(
        content=text,
        now=NOW,
        memory_type="profile",
        trust_tier="T2",
        initial_confidence=0.625,
        observed_at=NOW - timedelta(days=30, microseconds=7),
        session_id="s1",
        subject_id="customer 7",
        extra_metadata={"cups": 3},
    )
    (written,) = memories_write(
        drafts=[replace(wanted, author_id="ben", source_event_ids=["event 9"])],
        view=view,
        actor_id="ada",
        operation="store",
        reason="store_memory",
        now=NOW,
        embedder=EMBEDDER,
    )
    return written.memory.memory_id


def correct(memory_id: str, text: str, view: View) -> str:
    return memory_correct(
        view=view,
        memory_id=memory_id,
        new_content=text,
        reason="",
        actor_id="ada",
        now=NOW,
        embedder=EMBEDDER,
    ).memory.memory_id


def purge(memory_id: str, view: View = MAIN) -> str | None:
    wanted = purge_of(memory_ids=[memory_id])
    return memories_purge(wanted=wanted, view=view, actor_id="ada", now=NOW).restore_point


def fork(name: str = "exp") -> View:
    branch_create(name=name, actor_id="ada", now=NOW)
    return branch_view(name=name)


def whole(view: View, memory_id: str) -> dict[str, object]:
    row = row_find(view=view, memory_id=memory_id)
    assert row is not None
    return {name: getattr(row, name) for name in SHARED if name != "born"}


def pick(target: str, *keys: str, policy: Policy = Policy.FAIL) -> None:
    branch_pick(
        source="exp",
        target=target,
        selector=Keys(keys),
        policy=policy,
        embedder=None,
        actor_id="ada",
        now=NOW,
    )


def by_merge(memory_id: str) -> None:
    branch_merge(name="exp", strategy="append", actor_id="ada", now=NOW)


def by_replacing_merge(memory_id: str) -> None:
    branch_merge(name="exp", strategy="replace", actor_id="ada", now=NOW)


def by_apply(memory_id: str) -> None:
    branch_apply(name="exp", selection=Selection(adds=[memory_id]), actor_id="ada", now=NOW)


def by_pick(memory_id: str) -> None:
    pick("main", memory_id)


def by_pick_over_another_branch(memory_id: str) -> None:
    fork("other")
    pick("other", memory_id)
    branch_delete(name="exp", now=NOW)
    branch_merge(name="other", strategy="append", actor_id="ada", now=NOW)


def by_merge_after_refresh(memory_id: str) -> None:
    store("Main went on to cycling")
    branch_refresh(name="exp", actor_id="ada", now=NOW)
    branch_merge(name="exp", strategy="append", actor_id="ada", now=NOW)


def by_going_back_and_forth(memory_id: str) -> None:
    snapshot_create(name="before", now=NOW)
    branch_merge(name="exp", strategy="append", actor_id="ada", now=NOW)
    done = rollback(snapshot="before", actor_id="ada", now=NOW)
    assert row_find(view=MAIN, memory_id=memory_id) is None
    rollback(snapshot=done.restore_point, actor_id="ada", now=NOW)


@pytest.mark.parametrize(
    "bring",
    [
        by_merge,
        by_replacing_merge,
        by_apply,
        by_pick,
        by_pick_over_another_branch,
        by_merge_after_refresh,
        by_going_back_and_forth,
    ],
)
def test_a_memory_arrives_whole(bring):
    view = fork()
    memory_id = store("Asked Priya Raman about the harbour lights", view)
    sent = whole(view, memory_id)
    assert sent["embedding_id"] is not None and sent["author_id"] == "ben"
    bring(memory_id)
    assert whole(MAIN, memory_id) == sent
    for query in ("harbour lights", "Priya Raman"):
        found = memories_retrieve(view=MAIN, query=query, top_k=1, embedder=EMBEDDER, now=NOW).found
        assert [item.memory.memory_id for item in found] == [memory_id]
    assert linked_memory_ids([memory_id]) == {memory_id}


def test_both_halves_of_a_correction_arrive_whole():
    old = store("Asked Priya Raman about the harbour lights")
    view = fork()
    new = correct(old, "Asked Priya Raman about the airport lights", view)
    sent = [whole(view, memory_id) for memory_id in (old, new)]
    by_merge(new)
    assert [whole(MAIN, memory_id) for memory_id in (old, new)] == sent
    found = memories_retrieve(view=MAIN, query="lights", top_k=5, embedder=EMBEDDER, now=NOW).found
    assert [item.memory.memory_id for item in found] == [new]


def test_a_near_twin_brings_what_it_is_about():
    """Main's memory keeps its id and takes over the branch's words, vector and entities."""
    text = "The quarterly report of the harbour board was read by {} at noon in the long hall"
    of_main = store(text.format("Priya Raman"))
    view = fork()
    store(text.format("Tomas Vega"), view)
    by_replacing_merge("")
    assert Memory.objects.count() == 1
    assert whole(MAIN, of_main)["content"] == text.format("Tomas Vega")
    (wanted,) = entity_ids(names=["tomas vega"]).values()
    assert MemoryEntityLink.objects.filter(memory_id=of_main, entity_id=wanted).exists()
    assert branch_diff(name="exp", limit=10).total == 0


def test_what_differs_in_masked_values_only_is_no_near_twin():
    """The vectors are those of the visible text; two people may lie behind one mask."""
    of_ada = store("Owner: ada@example.org")
    view = fork()
    of_ben = store("Owner: ben@example.org", view)
    by_replacing_merge("")
    rows = {row.memory_id: row.content for row in Memory.objects.filter(is_active=True)}
    assert rows == {of_ada: "Owner: [email]", of_ben: "Owner: [email]"}
    assert store("Owner: ada@example.org") == of_ada
    assert store("Owner: ben@example.org") == of_ben


def test_the_same_masked_value_on_both_sides_is_a_near_twin():
    of_ben = store("Owner: ben@example.org")
    view = fork()
    of_ada = store("Owner: ada@example.org")
    store("Owner: ada@example.org", view)
    by_replacing_merge("")
    assert set(Memory.objects.values_list("memory_id", flat=True)) == {of_ben, of_ada}
    assert store("Owner: ada@example.org") == of_ada


@pytest.mark.parametrize(
    ("on_main", "on_branch"), [("ada@example.org", "none as yet"), ("none as yet", "ada@example.org")]
)
def test_no_masked_text_takes_the_place_of_one_that_is_like_it(on_main, on_branch):
    text = "The quarterly report of the harbour board was read by {} at noon in the long hall"
    store(text.format(on_main))
    store(text.format(on_branch), fork())
    by_replacing_merge("")
    assert Memory.objects.count() == 2


def test_a_picked_row_returns_to_a_branch_that_gave_it_up():
    """Accepting a conflict takes the target's successor away; another pick brings it again."""
    first = store("Prefers green tea")
    fork("exp")
    fork("third")
    mine = correct(first, "Prefers black coffee", branch_view(name="exp"))
    theirs = correct(first, "Prefers tap water", MAIN)
    other = fork("other")  # has inherited main's successor
    pick("other", first, policy=Policy.ACCEPT)
    assert row_find(view=other, memory_id=theirs) is None
    assert row_find(view=other, memory_id=mine).is_active
    again = correct(first, "Prefers tap water", branch_view(name="third"))
    Revision.objects.filter(memory_id=again).update(
        memory_id=theirs
    )  # as if both had been picked from one source
    Revision.objects.filter(superseded_by=again).update(superseded_by=theirs)
    branch_pick(
        source="third",
        target="other",
        selector=Keys([first]),
        policy=Policy.ACCEPT,
        embedder=None,
        actor_id="ada",
        now=NOW,
    )
    assert row_find(view=other, memory_id=theirs).is_active
    assert row_find(view=other, memory_id=mine) is None


def test_ranking_goes_on_by_words_where_the_embedder_is_down():
    view = fork()
    store("Keeps bees behind the house", view)
    tea = store("Prefers green tea in the morning", view)
    done = branch_pick(
        source="exp",
        target="main",
        selector=Ranking("green tea", top_k=1),
        policy=Policy.FAIL,
        embedder=BrokenEmbedder(),
        actor_id="ada",
        now=NOW,
    )
    assert [candidate.memory_id for candidate in done.chosen] == [tea]


def test_a_range_picks_from_before_a_refresh():
    """What the branch did between two snapshots, though another line has its name by now."""
    view = fork()
    snapshot_create(name="one", now=NOW)
    picked = store("Keeps bees behind the house", view)
    snapshot_create(name="two", now=NOW)
    store("Plays chess on Sundays", view)
    store("Main went on to cycling")
    branch_refresh(name="exp", actor_id="ada", now=NOW)
    branch_pick(
        source="exp",
        target="main",
        selector=Range("one", "two"),
        policy=Policy.FAIL,
        embedder=None,
        actor_id="ada",
        now=NOW,
    )
    assert row_find(view=MAIN, memory_id=picked).is_active
    assert [item.content for item in branch_diff(name="exp", limit=10).added] == ["Plays chess on Sundays"]


def test_nothing_is_written_to_a_line_that_is_gone():
    """A writer looked its branch up, and before it got to write the branch was refreshed, or deleted."""
    view = fork()
    memory_id = store("Keeps bees behind the house", view)
    branch_refresh(name="exp", actor_id="ada", now=NOW)
    with pytest.raises(Unavailable):
        store("Plays chess on Sundays", view)
    view = branch_view(name="exp")
    branch_delete(name="exp", now=NOW)
    with pytest.raises(NotFound):
        purge(memory_id, view)
    assert Revision.objects.exclude(memory_id=memory_id).count() == 0


def test_collection_forgets_replaced_lines_that_nothing_shows(settings):
    settings.MEMORIA_HISTORY_DAYS = 1
    view = fork()
    store("Keeps bees behind the house", view)
    snapshot_create(name="kept", now=NOW)
    for number in range(3):
        store(f"Main went on to {number}")
        branch_refresh(name="exp", actor_id="ada", now=NOW)
    seen = branch_view(name="exp")
    then = view_at(seen, view.fork_seq + 1)
    assert then.branch_id == view.branch_id
    collect(now=NOW + timedelta(days=2))
    assert Branch.objects.filter(status=Status.REPLACED).count() == 1
    assert view_at(branch_view(name="exp"), then.at) == then
    snapshots_delete(names=["kept"])
    collect(now=NOW + timedelta(days=2))
    assert Branch.objects.filter(status=Status.REPLACED).count() == 0
    assert set(Revision.objects.values_list("branch_id", flat=True)) == {seen.branch_id}


def test_collection_keeps_merge_bases_while_a_snapshot_may_need_them(settings):
    settings.MEMORIA_HISTORY_DAYS = 1
    memory_id = store("Prefers green tea")
    view = fork()
    purge(memory_id, view)
    snapshot_create(name="before", now=NOW)
    by_merge(memory_id)
    snapshots_delete(prefix="pre_")
    store("the last commit stays at the horizon")
    collect(now=NOW + timedelta(days=2))
    assert MergeBase.objects.count() == 1
    rollback(snapshot="before", actor_id="ada", now=NOW)
    assert [item.memory_id for item in branch_diff(name="exp", limit=10).removed] == [memory_id]
    snapshots_delete(prefix="")
    store("and another")
    collect(now=NOW + timedelta(days=2))
    assert MergeBase.objects.count() == 0
    assert [item.memory_id for item in branch_diff(name="exp", limit=10).removed] == [memory_id]
