"""The arrays of users in use: bounded, refreshed by what changed, done without where they do not fit."""

import subprocess

import pytest
from django.utils import timezone

from apps.memories import corpora, text_index
from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.filters import ANY, Filters
from apps.memories.retrieval import memories_fulltext, memories_retrieve
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN
from apps.tenancy.scope import user_database
from memoria.drafts import draft
from tests.processes import start_script

EMBEDDER = HashedEmbedder(64)


def store(*texts, **fields):
    now = timezone.now()
    memories_write(
        drafts=[draft(content=text, now=now, **fields) for text in texts],
        view=MAIN,
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


def test_the_bound_holds_over_users(make_user, settings):
    settings.MEMORIA_CORPUS_MEGABYTES = 1
    for name in (f"user {n}" for n in range(12)):
        with user_database(make_user(name)):
            store(*(f"{name} keeps note {n} about subject {n % 7}" for n in range(200)))
            assert found("note 3 about subject 3")
        assert corpora.cache.nbytes <= 2**20


WRITE = """
from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN
from apps.tenancy.admission import admit
from apps.tenancy.scope import user_database
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
