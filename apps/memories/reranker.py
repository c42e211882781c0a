"""The configured reranker, or None: any endpoint that takes {model, query, documents} at `/rerank`, as servers of
cross-encoders do. It reads the best of what ranking found and puts those in its own order.
"""

from collections.abc import Sequence
from functools import cache

import msgspec
from django.conf import settings

from apps.memories.remote import Endpoint, Endpoints
from memoria.errors import Unavailable
from memoria.ports import Reranker

# How many of the best are read; an answer waits for all of them.
READ = 30
CHARACTERS_EACH = 2_000
CONCURRENT_CALLS = 16


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    results: list[_Result]


class HttpReranker:
    def __init__(self, endpoint: Endpoint, *, model: str, timeout_seconds: float) -> None:
        self._model = model
        self._endpoints = Endpoints(
            [endpoint], what="reranking failed", timeout_seconds=timeout_seconds, concurrent=CONCURRENT_CALLS
        )

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One call for all texts; those that the answer leaves out come last. Raises Unavailable."""
        documents = [text[:CHARACTERS_EACH] for text in texts]
        payload = {"model": self._model, "query": query, "documents": documents, "top_n": len(documents)}
        answer = self._endpoints.post("rerank", payload)
        try:
            results = msgspec.convert(answer, _Answer).results
        except msgspec.ValidationError:
            raise Unavailable(
                "reranking failed: the endpoint's answer has another shape", retry_after=5
            ) from None
        found = {result.index: result.relevance_score for result in results}
        return [found.get(place, float("-inf")) for place in range(len(texts))]


@cache
def reranker() -> Reranker | None:
    if not settings.MEMORIA_RERANKER_URL:
        return None
    return HttpReranker(
        Endpoint(settings.MEMORIA_RERANKER_URL, settings.MEMORIA_RERANKER_API_KEY),
        model=settings.MEMORIA_RERANKER_MODEL,
        timeout_seconds=settings.MEMORIA_RERANKER_TIMEOUT_SECONDS,
    )
