"""The one write routine against the database it writes to."""

from django.utils import timezone

from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.models import Memory
from apps.memories.services.correct import memory_correct
from apps.memories.services.write import memories_write
from apps.memories.view import MAIN
from apps.tenancy.scope import user_connection
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


def store(*texts, embedder):
    now = timezone.now()
    return memories_write(
        drafts=[draft(content=text, now=now) for text in texts],
        view=MAIN,
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
