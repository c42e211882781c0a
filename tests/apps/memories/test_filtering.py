"""Filters hold before anything is ranked: one memory is found among ten thousand that answer better."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from apps.memories import corpora
from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.filters import Filters
from apps.memories.models import Embedding, Memory
from apps.memories.retrieval import memories_retrieve
from apps.memories.view import MAIN
from memoria.search_text import search_text

CROWD = 10_000
EMBEDDER = HashedEmbedder(64)
NOW = timezone.now()
QUERY = "When does the harbour office open?"
NOISE, WANTED = "The harbour office opens at nine", "The harbour office has moved to the pier"


def vector_id(text):
    blob = EMBEDDER.embed([text]).astype(np.float16).tobytes()
    return Embedding.objects.create(
        content_hash=text[:32], model=EMBEDDER.model, dim=EMBEDDER.dim, vector=blob
    ).pk


def memory(number, text, embedding_id, words, **fields):
    usual = {"memory_type": "semantic", "trust_tier": "T1", "session_id": "crowd", "subject_id": "crowd"}
    return Memory(
        memory_id=f"{number:032x}",
        user_id="ada",
        content=text,
        initial_confidence=0.95,
        observed_at=NOW - timedelta(days=fields.pop("age", 0)),
        created_at=NOW,
        content_hash=f"{number:032x}",
        search_text=words,
        embedding_id=embedding_id,
        born=1,
        **{**usual, "extra_metadata": {"place": "crowd"}, **fields},
    )


@pytest.fixture(autouse=True)
def empty_cache():
    corpora.cache.clear()
    yield
    corpora.cache.clear()


def test_each_filter_finds_its_one_memory_among_ten_thousand(in_adas_database):
    noise, wanted = vector_id(NOISE), vector_id(WANTED)
    words = search_text(NOISE)
    rows = [memory(number, f"{NOISE} ({number})", noise, words) for number in range(CROWD)]
    single = {
        "memory_type": "profile",
        "trust_tier": "T3",
        "session_id": "one",
        "subject_id": "one",
        "extra_metadata": {"place": "one"},
    }
    rows.insert(CROWD // 2, memory(CROWD, WANTED, wanted, search_text(WANTED), age=900, **single))
    Memory.objects.bulk_create(rows, batch_size=500)

    def found(filters):
        retrieval = memories_retrieve(
            view=MAIN, query=QUERY, top_k=5, embedder=EMBEDDER, now=NOW, filters=filters
        )
        return [each.memory.content for each in retrieval.found]

    assert WANTED not in found(Filters())
    for filters in (
        Filters(memory_types=("profile",)),
        Filters(trust_tier="T3"),
        Filters(session_id="one"),
        Filters(session_id="one", session_or_none=True),
        Filters(subject_id="one"),
        Filters(metadata={"place": "one"}),
    ):
        assert found(filters) == [WANTED], filters
