"""The arrays of users in use: bounded, refreshed by what changed, done without where they do not fit."""

import gc
import subprocess
import sys
import threading
import time
import types
from dataclasses import replace
from functools import cached_property

import pytest
from django.utils import timezone

from apps.memories import corpora, text_index
from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.filters import ANY, Filters
from apps.memories.models import Clock
from apps.memories.retrieval import memories_fulltext, memories_retrieve
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN, View
from apps.tenancy.scope import current_route, user_connection, user_database
from apps.tenancy.servers import server
from apps.versioning.selectors import branch_view
from apps.versioning.services.branches import branch_create
from memoria.corpus import Corpus
from memoria.drafts import draft
from memoria.segments import Segment
from tests.processes import start_script

EMBEDDER = HashedEmbedder(64)


def store(*texts, view=MAIN, **fields):
    now = timezone.now()
    memories_write(
        drafts=[draft(content=text, now=now, **fields) for text in texts],
        view=view,
        actor_id="ada",
        operation="store",
        reason="",
        now=now,
        embedder=EMBEDDER,
    )


def found(query, top_k=5, filters=ANY):
    retrieval = memories_retrieve(
        view=MAIN, query=query, top_k=top_k, embedder=EMBEDDER, now=timezone.now(), filters=filters
    )
    return [each.memory.content for each in retrieval.found]


@pytest.fixture(autouse=True)
def empty_cache():
    corpora.cache.clear()
    yield
    corpora.cache.clear()


def test_a_user_too_large_for_memory_is_searched_in_the_database(in_adas_database, settings):
    store(*(f"number {n} of the long list" for n in range(300)))
    store("the needle in the haystack")
    store("the needle of another session", session_id="s")
    settings.MEMORIA_CORPUS_MEGABYTES = 0
    with pytest.raises(corpora.TooLarge):
        corpora.corpus_of(MAIN, model=EMBEDDER.model, dim=EMBEDDER.dim)
    assert set(found("the needle in the haystack")) >= {"the needle in the haystack"}
    assert found("needle", filters=Filters(session_id="s")) == ["the needle of another session"]
    texts = memories_fulltext(view=MAIN, query="needle", limit=5, embedder=EMBEDDER)
    assert {each.memory.content for each in texts} == {
        "the needle in the haystack",
        "the needle of another session",
    }


def test_filters_are_exact_where_all_does_not_fit_into_memory(in_adas_database, settings, monkeypatch):
    monkeypatch.setattr(text_index, "CANDIDATES", 20)
    store("the old needle lies in the barn", session_id="s")
    store("no word of that query", session_id="s")
    store(*(f"needle {n} of the long list" for n in range(60)))
    settings.MEMORIA_CORPUS_MEGABYTES = 0
    assert found("needle", filters=Filters(session_id="s")) == ["the old needle lies in the barn"]
    assert found("needle 7 of the long list")[0] == "needle 7 of the long list"
    assert found("needle 7 of the long list", filters=Filters(memory_types=("semantic",)))[0] == (
        "needle 7 of the long list"
    )
    assert found("needle", filters=Filters(memory_types=("profile",))) == []


def test_an_answer_from_a_part_of_the_memories_says_so(in_adas_database, settings, monkeypatch):
    monkeypatch.setattr(text_index, "CANDIDATES", 20)
    store(*(f"needle {n} of the long list" for n in range(30)))
    store("the needle of another session", session_id="s")

    def partial(filters=ANY):
        retrieval = memories_retrieve(
            view=MAIN, query="needle", top_k=5, embedder=EMBEDDER, now=timezone.now(), filters=filters
        )
        return retrieval.explanation.partial

    assert partial() is None
    corpora.cache.clear()
    settings.MEMORIA_CORPUS_MEGABYTES = corpora.ENTRY_BYTES / 2**20
    assert partial() == "only the 20 memories that fit the words best were compared"
    assert partial(Filters(session_id="s")) is None  # all that pass
    # What was too large is not measured again before anything has changed.
    measured = []
    monkeypatch.setattr(corpora, "_refuse_too_large", lambda *about: measured.append(about))
    assert partial() is not None
    assert measured == []


def test_passages_count_towards_the_bound(in_adas_database, settings):
    story = " ".join(f"Sentence {n} of a story about the harbour and its boats." for n in range(40))
    store(*(f"Chapter {n}. {story}" for n in range(60)))
    corpora.corpus_of(MAIN, model=EMBEDDER.model, dim=EMBEDDER.dim)
    held = corpora.cache.nbytes
    corpora.cache.clear()
    settings.MEMORIA_CORPUS_MEGABYTES = 3 * held / 2**20
    corpora.corpus_of(MAIN, model=EMBEDDER.model, dim=EMBEDDER.dim)
    corpora.cache.clear()
    settings.MEMORIA_CORPUS_MEGABYTES = held / 2 / 2**20
    with pytest.raises(corpora.TooLarge):
        corpora.corpus_of(MAIN, model=EMBEDDER.model, dim=EMBEDDER.dim)


# What a corpus computes when it is first asked for.
JOINED = [name for name, value in vars(Corpus).items() if isinstance(value, cached_property)]


def reachable_bytes(root):
    """What an object and everything it refers to takes in memory, as the interpreter counts it."""
    seen, waiting, total = set(), [root], 0
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, code):
            continue
        seen.add(id(found))
        total += sys.getsizeof(found)
        waiting += gc.get_referents(found)
    return total


def test_the_bound_holds_over_users_branches_and_moments(in_adas_database, settings):
    """The epoch is part of what tells users apart: one database stands for a thousand of them."""
    settings.MEMORIA_CORPUS_MEGABYTES = 2
    story = " ".join(f"Sentence {n} of a story about the harbour and its boats." for n in range(40))
    store(*(f"note {n} about subject {n % 7}" for n in range(50)), *(f"{n}. {story}" for n in range(3)))
    past = Clock.objects.get(pk=1).seq
    branch_create(name="exp", actor_id="ada", now=timezone.now())
    branch = branch_view(name="exp")
    store("a later note", view=branch)
    store("the newest note")
    settled, largest = 0, 0
    for number in range(1_000):
        with user_database(replace(in_adas_database, epoch=number)):
            views = (MAIN, branch, View(at=past)) if number % 20 == 0 else (MAIN,)
            for view in views:
                corpus = corpora.corpus_of(view, model=EMBEDDER.model, dim=EMBEDDER.dim)
                for joined in JOINED:
                    getattr(corpus, joined)
                settled += 1
        if number % 100 == 99:
            largest = max(largest, reachable_bytes(corpora.cache))
            assert corpora.cache.nbytes <= 2 * 2**20
    assert settled == 1_100
    assert 2**20 < largest <= 2 * 2**20


def test_views_without_memories_are_counted_too(in_adas_database, settings):
    settings.MEMORIA_CORPUS_MEGABYTES = 1
    for number in range(400):
        with user_database(replace(in_adas_database, epoch=number)):
            corpora.corpus_of(MAIN, model=EMBEDDER.model, dim=EMBEDDER.dim)
    assert 2**19 < reachable_bytes(corpora.cache) <= 2**20
    assert len(corpora.cache._entries) < 400


def test_what_turned_out_too_large_is_not_read_again(in_adas_database, settings, monkeypatch):
    store(*(f"number {n} of the long list" for n in range(200)))
    monkeypatch.setattr(corpora, "ROW_BYTES", -400)  # the estimate errs
    settings.MEMORIA_CORPUS_MEGABYTES = 0.1
    for _ in range(2):
        with pytest.raises(corpora.TooLarge):
            corpora.corpus_of(MAIN, model=EMBEDDER.model, dim=EMBEDDER.dim)
        monkeypatch.setattr(corpora, "_columns", None)  # reading all again would fail


def test_steady_writing_reads_only_what_changed(in_adas_database, monkeypatch):
    store(*(f"note {n} about subject {n % 7}" for n in range(300)))
    read = []
    of = Segment.of.__func__

    def noting(cls, columns, dim):
        read.append(len(columns.memory_ids))
        return of(cls, columns, dim)

    monkeypatch.setattr(Segment, "of", classmethod(noting))
    for number in range(40):
        store(f"the kettle number {number} is new")
        assert f"the kettle number {number} is new" in found(f"kettle number {number}", top_k=20)
    assert read == [300 + 1, *[1] * 39]
    corpus = corpora.corpus_of(MAIN, model=EMBEDDER.model, dim=EMBEDDER.dim)
    assert len(corpus.segments) <= 5


WRITE = """
from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN
from apps.tenancy.admission import admit
from apps.tenancy.scope import current_route, user_connection, user_database
from apps.tenancy.servers import server
from apps.tenancy.services.provision import user_provision
from django.utils import timezone
from memoria.drafts import draft
now = timezone.now()
with user_database(admit(user_provision(user_id=sys.argv[2]))):
    memories_write(drafts=[draft(content=sys.argv[1], now=now)], view=MAIN, actor_id=sys.argv[2], operation="store",
                   reason="", now=now, embedder=HashedEmbedder(64))
    if sys.argv[1] != "seen":
        from apps.memories.retrieval import memories_retrieve
        memories_retrieve(view=MAIN, query="x", top_k=1, embedder=HashedEmbedder(64), now=now)
print("done", flush=True)
"""


def test_what_another_process_writes_is_seen_by_the_next_retrieval(tmp_path):
    from tests.processes import installation

    environment = installation(tmp_path)
    script = (
        WRITE
        + """
with user_database(admit(user_provision(user_id=sys.argv[2]))):
    sys.stdin.readline()
    got = memories_retrieve(view=MAIN, query="seen", top_k=5, embedder=HashedEmbedder(64), now=timezone.now())
    print([each.memory.content for each in got.found], flush=True)
"""
    )
    reader = start_script(environment, script, "first", tmp_path.name, stdin=subprocess.PIPE)
    assert reader.stdout is not None and reader.stdout.readline().strip() == "done"
    writer = start_script(environment, WRITE, "seen", tmp_path.name)
    assert writer.communicate(timeout=60)[0].strip() == "done"
    assert reader.communicate("go\n", timeout=60)[0].strip() == "['seen']"


def test_who_waits_for_a_reading_holds_no_connection(in_adas_database):
    # Else as many as there are connections wait for the one that reads, and that one for a connection.
    store("the needle in the haystack")
    route = current_route()
    pool = server(route.server).pool
    user_connection().close()
    entry = corpora.cache.entry(corpora._key(MAIN, EMBEDDER.model, EMBEDDER.dim))
    has_begun, results = threading.Event(), []

    def ask():
        with user_database(route):
            user_connection().ensure_connection()
            has_begun.set()
            results.append(corpora.corpus_of(MAIN, model=EMBEDDER.model, dim=EMBEDDER.dim).size)

    with entry.lock:
        waiting = threading.Thread(target=ask)
        waiting.start()
        assert has_begun.wait(10)
        deadline = time.monotonic() + 10
        while pool.idle_count < pool.open_count and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (pool.idle_count, results) == (pool.open_count, [])
    waiting.join(10)
    assert results == [1]
