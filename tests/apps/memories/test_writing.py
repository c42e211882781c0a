"""The one write routine against the database it writes to."""

import time

import pytest
from django.utils import timezone

from apps.memories.commits import Change, commit
from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.models import Clock, Memory, MemoryStats
from apps.memories.records import record
from apps.memories.services import prepare
from apps.memories.services.candidates import CANDIDATES
from apps.memories.services.correct import memory_correct
from apps.memories.services.write import memories_write
from apps.memories.text_index import ids_holding_any
from apps.memories.view import MAIN
from apps.tenancy.scope import user_connection, user_database
from apps.versioning.selectors import view_resolve
from apps.versioning.services.branches import branch_create
from memoria.digest import content_hash
from memoria.drafts import draft
from memoria.errors import Unavailable


class _Watching(HashedEmbedder):
    """Notes whether a database connection was held while it worked; fails where told to."""

    def __init__(self, fails=False):
        super().__init__(64)
        self.held = []
        self.fails = fails

    def embed(self, texts):
        self.held.append(user_connection().connection is not None)
        if self.fails:
            raise Unavailable("too many requests", retry_after=1)
        return super().embed(texts)


def store(*texts, embedder, view=MAIN, **fields):
    now = timezone.now()
    return memories_write(
        drafts=[draft(content=text, now=now, **fields) for text in texts],
        view=view,
        actor_id="ada",
        operation="store",
        reason="",
        now=now,
        embedder=embedder,
    )


def test_a_slow_embedder_holds_no_connection(in_adas_database):
    embedder = _Watching()
    Memory.objects.exists()
    assert user_connection().connection is not None
    stored = store("the kettle is on", "the tea is green", embedder=embedder)
    memory_correct(
        view=MAIN,
        memory_id=stored[0].memory.memory_id,
        new_content="the kettle is off",
        reason="",
        actor_id="ada",
        now=timezone.now(),
        embedder=embedder,
    )
    assert embedder.held == [False, False]


def test_a_saturated_embedder_costs_the_vectors_only(in_adas_database):
    embedder = _Watching(fails=True)
    store("the kettle is on", embedder=embedder)
    assert embedder.held == [False]
    assert Memory.objects.values_list("content", "embedding_id").get() == ("the kettle is on", None)


def test_a_known_text_is_not_embedded_again(in_adas_database):
    store("the kettle is on", embedder=HashedEmbedder(64))
    embedder = _Watching()
    store("the kettle is on", "the kettle is on", embedder=embedder)
    assert embedder.held == []
    assert Memory.objects.count() == 1


def test_what_differs_in_masked_values_only_is_no_repetition(in_adas_database):
    """Two people may lie behind one mask; what is said of the same one again is counted. Nothing gives it away."""
    texts = [
        "Owner: ada@example.org",
        "Owner: ben@example.org",
        "Owner: ada@example.org",
        "owner: ada@example.org.",
    ]
    done = [store(text, embedder=None)[0] for text in texts]
    ids = [each.memory.memory_id for each in done]
    assert [each.decision.action for each in done] == ["new", "new", "duplicate", "new"]
    assert ids[2] == ids[0]
    assert contents() == ["Owner: [email]", "Owner: [email]", "owner: [email]."]
    assert MemoryStats.objects.get().memory_id == ids[0]
    plain = content_hash("Owner: ada@example.org"), content_hash("Owner: [email]")
    assert not Memory.objects.filter(content_hash__in=plain).exists()
    both = store("+49 30 901820 is hers", "+49 30 901821 is hers", "+49 30 901820 is hers", embedder=None)
    assert [each.decision.action for each in both] == ["new", "new", "duplicate"]


def test_another_server_key_makes_another_fingerprint_of_masked_values(in_adas_database, settings):
    (first,) = store("Call 212-555-0187", embedder=None)
    settings.SECRET_KEY = "another"
    (second,) = store("Call 212-555-0187", embedder=None)
    assert second.memory.memory_id != first.memory.memory_id


def stored(text, **fields):
    (done,) = store(text, embedder=None, **fields)
    return done.memory.memory_id, str(done.decision.action)


LONG_MASKED = "Notes of the day, ada@example.org was there. " + "It rained on the harbour. " * 60


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Owner: ada@example.org", {}),
        ("Owner: ada@example.org", {"memory_type": "episodic"}),
        ("Owner: ada@example.org", {"session_id": "s1", "subject_id": "maria"}),
        (LONG_MASKED, {"memory_type": "working"}),
    ],
)
def test_what_was_read_with_its_masks_is_no_news(in_adas_database, text, fields):
    first, _ = stored(text, **fields)
    (content,) = contents()
    assert stored(f" {content}\n", **fields) == (first, "duplicate")
    assert stored(text, **fields) == (first, "duplicate")
    assert stored(content, **fields | {"session_id": "another"})[1] == "new"
    assert stored(content, **fields | {"subject_id": "somebody"})[1] == "new"


def test_what_two_memories_read_like_is_not_stored_a_third_time(in_adas_database):
    now = timezone.now()
    done = store("Owner: ada@example.org", "Owner: [email]", "Owner: ben@example.org", embedder=None)
    assert [each.decision.action for each in done] == ["new", "duplicate", "new"]
    again, other = stored("Owner: [email]"), stored("owner: [email].")
    assert again == other == (done[2].memory.memory_id, "duplicate")
    branch_create(name="exp", actor_id="ada", now=now)
    (on_branch,) = memories_write(
        drafts=[draft(content="Owner: [email]", now=now)],
        view=view_resolve(actor_id="ada", branch="exp"),
        actor_id="ada",
        operation="store",
        reason="",
        now=now,
        embedder=None,
    )
    assert on_branch.decision.action == "duplicate"
    assert contents() == ["Owner: [email]"] * 2


def test_the_name_of_a_mask_makes_no_text_masked(in_adas_database):
    first, _ = stored("We invoice Mon to [email] only")
    assert stored("we invoice mon to [email] only.") == (first, "duplicate")
    assert stored("We invoice Mon to ada@example.org only")[1] == "new"


def corrected(memory_id, text):
    done = memory_correct(
        view=MAIN,
        memory_id=memory_id,
        new_content=text,
        reason="",
        actor_id="ada",
        now=timezone.now(),
        embedder=None,
    )
    return done.memory.memory_id


def test_a_correction_to_what_is_shown_keeps_what_is_behind_the_masks(in_adas_database):
    ada, _ = stored("Owner: ada@example.org")
    ben, _ = stored("Owner: ben@example.org")
    for memory_id in (ada, ben):
        assert corrected(memory_id, "Owner: [email]") == memory_id
    assert stored("Owner: ada@example.org") == (ada, "duplicate")
    assert stored("Owner: ben@example.org") == (ben, "duplicate")
    cleo = corrected(ada, "Owner: cleo@example.org")
    assert cleo not in (ada, ben)
    assert stored("Owner: ada@example.org")[1] == "new"


def test_the_same_masked_value_shows_in_no_two_users_databases(ada, ben):
    hashes = set()
    for route in (ada, ben):
        with user_database(route):
            store("Owner: ada@example.org", embedder=None)
            hashes.add(Memory.objects.get().content_hash)
    assert len(hashes) == 2


def contents():
    return sorted(Memory.objects.filter(is_active=True).values_list("content", flat=True))


def test_what_is_said_again_within_a_batch_after_it_was_replaced_is_kept(in_adas_database):
    done = store("The port is 1", "The port is 2", "The port is 1", embedder=None)
    assert contents() == ["The port is 1"]
    assert Memory.objects.count() == 3
    assert [each.memory.is_active for each in done] == [False, False, True]
    assert [each.memory.superseded_by for each in done] == [
        *(each.memory.memory_id for each in done[1:]),
        None,
    ]


def test_the_answer_to_a_batch_is_what_is_stored(in_adas_database):
    """Rows of before may be repeated, trusted more, given metadata and replaced within one batch."""
    now = timezone.now()
    store("The owner is Tim", embedder=None)
    texts = ["The owner is Tim", "The owner is Tim", "The owner is Ann", "The owner is Tim"]
    done = memories_write(
        drafts=[
            draft(content=text, now=now, trust_tier="T1", extra_metadata={"n": place})
            for place, text in enumerate(texts)
        ],
        view=MAIN,
        actor_id="ada",
        operation="store",
        reason="",
        now=now,
        embedder=None,
    )
    assert contents() == ["The owner is Tim"]
    for each in done:
        assert record(Memory.objects.get(memory_id=each.memory.memory_id)) == each.memory
    assert len({each.memory.memory_id for each in done}) == 3
    assert Clock.objects.get().active_count == 1


def test_nothing_slow_is_done_while_the_database_is_locked(in_adas_database, monkeypatch):
    """Words, entities and keys of new texts are worked out before the commit."""
    locked = []
    for name in ("search_text", "entities", "telling_keys", "cleaned"):
        work = getattr(prepare, name)

        def watched(*arguments, work=work):
            locked.append(user_connection().in_atomic_block)
            return work(*arguments)

        monkeypatch.setattr(prepare, name, watched)
    store("The port of Alice is 1", "The port of Bob is 2", embedder=HashedEmbedder(64))
    assert locked == [False] * 8


def test_a_row_that_gets_other_words_is_found_by_them_and_by_those_that_stay(in_adas_database):
    store("red oak", embedder=None)
    with commit(view=MAIN, operation="merge", actor_id="ada", now=timezone.now()) as opened:
        (row,) = Memory.objects.all()
        opened.change([Change(row, {"search_text": "wred wsea", "is_active": True})])
    found = {
        word: bool(ids_holding_any(Memory.objects.all(), [word], 9)) for word in ("wred", "wsea", "woak")
    }
    assert found == {"wred": True, "wsea": True, "woak": False}


@pytest.mark.parametrize("text", ["The port is {n}", "Service X runs in region-{n}", "note {n} of {n}"])
def test_large_batches_take_as_long_for_each(in_adas_database, text):
    """Updates of one thing, contradictions about one thing, and things of their own: no item looks at all others."""

    def seconds(count):
        drafts = [text.format(n=f"{count}{n:04}") for n in range(count)]
        started = time.process_time()
        store(*drafts, embedder=None)
        return time.process_time() - started

    seconds(50)  # from here on everything is compared with as many as there may be
    assert seconds(800) < 16 * max(seconds(100), 0.05)  # 64 times as long if each looked at all


def test_a_branch_decides_as_well_after_many_updates(in_adas_database):
    """More ended rows of one key than are looked at are no reason to overlook the one that holds."""
    now = timezone.now()
    branch_create(name="exp", actor_id="ada", now=now)
    view = view_resolve(actor_id="ada", branch="exp")

    def say(text, **fields):
        return store(text, embedder=None, view=view, **fields)[0]

    for n in range(CANDIDATES + 10):
        done = say(f"The port is {n}")
        assert done.decision.action == ("update" if n else "new")
    for n in range(CANDIDATES + 10):  # of another subject
        assert say(f"The port is {n}", subject_id=f"s{n}").decision.action == "new"
    assert say("The port is 7001").decision.action == "update"
    assert say("The port is 7001").decision.action == "duplicate"
