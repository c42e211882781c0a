"""Vectors follow the configured model, and come back after an outage."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from structlog.testing import capture_logs

from apps.jobs import coalesce
from apps.memories import corpora
from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.models import Clock, Embedding, Memory, Revision
from apps.memories.retrieval import memories_retrieve
from apps.memories.selectors.figures import embedding_health
from apps.memories.services.correct import memory_correct
from apps.memories.services.reembed import Reembedded, reembed
from apps.memories.services.write import memories_write
from apps.memories.similarity import nearest_in_main
from apps.memories.view import MAIN, View
from apps.tenancy.models import UserDatabase
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import embedding_refused_count, users_embedded_otherwise
from apps.tenancy.services.embedding import embedding_note
from apps.versioning.selectors import branch_view
from apps.versioning.services.branches import branch_create
from memoria.drafts import draft
from memoria.errors import Refused, Unavailable

SMALL, LARGE = HashedEmbedder(32), HashedEmbedder(64)


class Down:
    """An embedder that answers `allowed` calls and then fails."""

    def __init__(self, inner, allowed=0):
        self.model, self.dim, self._inner, self._allowed = inner.model, inner.dim, inner, allowed

    def embed(self, texts):
        self._allowed -= 1
        if self._allowed < 0:
            raise Unavailable("Embedding error: out of reach")
        return self._inner.embed(texts)

    def embed_query(self, text):
        return self.embed([text])[0]


def store(embedder, *texts, view=MAIN):
    now = timezone.now()
    drafts = [draft(content=text, now=now) for text in texts]
    return memories_write(
        drafts=drafts, view=view, actor_id="ada", operation="store", reason="", now=now, embedder=embedder
    )


def dense(embedder, query):
    corpora.cache.clear()
    explained = memories_retrieve(
        view=MAIN, query=query, top_k=3, embedder=embedder, now=timezone.now()
    ).explanation
    return [hit.channels["dense"] for hit in explained.hits]


def test_another_model_gives_every_text_another_vector(in_adas_database):
    old = store(SMALL, "The kettle is blue")[0].memory.memory_id
    now = timezone.now()
    memory_correct(
        view=MAIN,
        memory_id=old,
        new_content="The kettle is red",
        reason="",
        actor_id="ada",
        now=now,
        embedder=SMALL,
    )
    assert dense(LARGE, "The kettle is red") == [0.0]  # found by its words
    done = reembed(embedder=LARGE, now=timezone.now())
    assert done.texts == 2  # of three rows: the first one's history has its text
    for rows in (Memory.objects.all(), Revision.objects.all()):
        models = {Embedding.objects.get(pk=row.embedding_id).model for row in rows}
        assert models == {LARGE.model}
    assert dense(LARGE, "The kettle is red")[0] > 0.9
    assert reembed(embedder=LARGE, now=timezone.now()).texts == 0


def test_after_an_outage_the_rest_is_embedded_and_the_user_noted(in_adas_database):
    embedding_note(user_id="ada", model=SMALL.model, dim=32)
    store(Down(SMALL), "The kettle is blue", "The teapot is green")
    assert users_embedded_otherwise(model=SMALL.model, dim=32) == ["ada"]
    with pytest.raises(Unavailable):
        reembed(embedder=Down(SMALL), now=timezone.now())
    assert reembed(embedder=SMALL, now=timezone.now()).texts == 2
    assert users_embedded_otherwise(model=SMALL.model, dim=32) == []
    assert UserDatabase.objects.get(pk="ada").embedding_dim == 32
    store(None, "The cup is white")  # whoever is killed now has said so
    assert users_embedded_otherwise(model=SMALL.model, dim=32) == ["ada"]
    assert reembed(embedder=SMALL, now=timezone.now()).texts == 1
    assert users_embedded_otherwise(model=SMALL.model, dim=32) == []


class Wide(HashedEmbedder):
    """The small one's name, and more numbers."""

    def __init__(self):
        super().__init__(48)
        self.model = SMALL.model


def test_another_width_of_the_same_model_is_another_space(in_adas_database):
    wide = Wide()
    store(SMALL, "The kettle is blue", "The teapot is green")
    reembed(embedder=SMALL, now=timezone.now())
    assert users_embedded_otherwise(model=SMALL.model, dim=48) == ["ada"]
    assert embedding_health(model=SMALL.model, dim=48).embedded == 0
    assert not np.any(dense(wide, "The kettle is blue"))
    branch_create(name="exp", actor_id="ada", now=timezone.now())
    store(wide, "The cup is white")
    rows = list(Memory.objects.order_by("id"))
    assert nearest_in_main(rows[:1], minimum=-1).keys() == {rows[0].memory_id}  # of two widths in one user
    again = store(wide, "The kettle is blue and round")
    assert (
        Embedding.objects.get(pk=Memory.objects.get(memory_id=again[0].memory.memory_id).embedding_id).dim
        == 48
    )
    assert reembed(embedder=wide, now=timezone.now()).texts == 2
    found = embedding_health(model=SMALL.model, dim=48)
    assert found.embedded == found.active
    assert dense(wide, "The kettle is blue")[0] > 0.9
    assert users_embedded_otherwise(model=SMALL.model, dim=48) == []


def test_what_is_stored_while_the_rest_is_embedded_is_not_overlooked(in_adas_database):
    class Racing(HashedEmbedder):
        def embed(self, texts):
            if "The whale is grey" in texts:  # main's memories have been looked through by then
                store(None, "The cup is white")
            return super().embed(texts)

    store(None, "The kettle is blue")
    branch_create(name="exp", actor_id="ada", now=timezone.now())
    store(None, "The whale is grey", view=branch_view(name="exp"))
    reembed(embedder=Racing(32), now=timezone.now())
    assert embedding_health(model=SMALL.model, dim=32).embedded == 1
    assert users_embedded_otherwise(model=SMALL.model, dim=32) == ["ada"]
    reembed(embedder=SMALL, now=timezone.now())
    assert users_embedded_otherwise(model=SMALL.model, dim=32) == []


def test_a_reader_who_misses_vectors_says_so(in_adas_database):
    store(None, "The kettle is blue")
    embedding_note(user_id="ada", model=SMALL.model, dim=32)  # as after a restored database
    dense(SMALL, "The kettle is blue")
    coalesce.flush_all()
    assert users_embedded_otherwise(model=SMALL.model, dim=32) == ["ada"]


def test_the_same_question_is_embedded_once(in_adas_database):
    store(SMALL, "The kettle is blue")
    once = Down(SMALL, allowed=1)
    assert dense(once, "which kettle is blue?") == dense(once, "which kettle is blue?")
    assert dense(Down(Wide()), "which kettle is blue?") == [0.0]


def test_what_was_done_before_a_failure_stays_done(in_adas_database):
    store(None, *(f"Note {n} says {n * 7}" for n in range(150)))
    with pytest.raises(Unavailable):
        reembed(embedder=Down(SMALL, allowed=1), now=timezone.now())
    assert Memory.objects.filter(embedding_id__isnull=False).count() == 64
    assert reembed(embedder=SMALL, now=timezone.now()).texts == 86


class Choosy(HashedEmbedder):
    """Takes no text with a certain word in it, and counts how often it is asked."""

    def __init__(self):
        super().__init__(32)
        self.calls = 0

    def embed(self, texts):
        self.calls += 1
        if any("unspeakable" in text for text in texts):
            raise Refused("Embedding error: HTTP 400")
        return super().embed(texts)


def test_a_refused_text_is_told_once_and_left_alone_for_a_while(in_adas_database):
    now, choosy = timezone.now(), Choosy()
    store(None, *(f"Note {n} of the archive" for n in range(9)), "An unspeakable note")
    with capture_logs() as logs:
        assert reembed(embedder=choosy, now=now) == Reembedded(9, 1)
        choosy.calls = 0
        for minute in range(1, 4):
            assert reembed(embedder=choosy, now=now + timedelta(minutes=minute)) == Reembedded(0, 1)
        assert choosy.calls == 0
    assert [each["count"] for each in logs if "refuses texts" in each["event"]] == [1]
    assert embedding_refused_count(user_id="ada") == 1
    assert users_embedded_otherwise(model=choosy.model, dim=32) == ["ada"]
    store(None, "Another note")  # keeps nobody waiting
    assert reembed(embedder=choosy, now=now + timedelta(minutes=4)) == Reembedded(1, 1)
    assert reembed(embedder=SMALL, now=now + timedelta(hours=2)) == Reembedded(
        1, 0
    )  # offered again, and taken
    assert embedding_refused_count(user_id="ada") == 0
    assert users_embedded_otherwise(model=SMALL.model, dim=32) == []


class Busy(HashedEmbedder):
    """Fails at the first call that is no mere trial, as one whose connections are all in use."""

    def __init__(self):
        super().__init__(32)
        self.has_failed = False

    def embed(self, texts):
        if not self.has_failed and texts != ["?"]:
            self.has_failed = True
            raise Unavailable("Embedding error: all connections stay busy", retry_after=2)
        return super().embed(texts)


def test_a_text_that_failed_once_is_offered_by_the_next_run(in_adas_database):
    now, busy = timezone.now(), Busy()
    store(None, "The kettle is blue")
    assert reembed(embedder=busy, now=now) == Reembedded(0, refused=0, failed=1)
    assert embedding_refused_count(user_id="ada") == 0
    assert users_embedded_otherwise(model=busy.model, dim=32) == ["ada"]
    assert reembed(embedder=busy, now=now + timedelta(minutes=1)) == Reembedded(1, 0)


def test_one_users_vectors_are_nobody_elses(ada, ben):
    for route in (ada, ben):
        with user_database(route):
            store(None, "The kettle is blue")
    with user_database(ada):
        reembed(embedder=SMALL, now=timezone.now())
    with user_database(ben):
        assert not Embedding.objects.exists()
        assert not np.any(dense(SMALL, "The kettle is blue"))


def test_branches_and_the_past_get_their_vectors_too(in_adas_database):
    store(Down(SMALL), "The whale is blue", "The tea is hot")
    branch_create(name="exp", actor_id="ada", now=timezone.now())
    past = Clock.objects.get(pk=1).seq
    store(Down(SMALL), "The wolf is grey")
    views = (MAIN, branch_view(name="exp"), View(at=past))

    def asked(view):
        retrieval = memories_retrieve(
            view=view, query="blue whale", top_k=1, embedder=SMALL, now=timezone.now()
        )
        return retrieval.explanation

    for view in views:
        assert asked(view).hits[0].channels["dense"] == 0
        assert "have no vector" in asked(view).not_embedded
    reembed(embedder=SMALL, now=timezone.now())
    for view in views:  # in the very process that had read them before
        assert asked(view).hits[0].channels["dense"] > 0.5
        assert asked(view).not_embedded is None
