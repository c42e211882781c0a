"""Embeddings from any OpenAI-compatible endpoint."""

from collections.abc import Sequence

import msgspec
import numpy as np

from apps.memories.remote import Endpoint, Endpoints, State
from memoria.errors import Unavailable
from memoria.ports import Vector, Vectors

TEXTS_PER_CALL = 64
# How long one waits for a place among the calls: threads that wait serve nobody.
WAIT_SECONDS = 1.0
QUERY_WAIT_SECONDS = 0.25


class _Item(msgspec.Struct):
    embedding: list[float]
    index: int = -1


class _Answer(msgspec.Struct):
    data: list[_Item]


class HttpEmbedder:
    """Texts and queries each have their own calls, deadline and opinion of an endpoint: one that is too slow for
    somebody who waits may do for a store.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        model: str,
        dim: int,
        timeout_seconds: float,
        query_timeout_seconds: float,
        concurrent: int,
    ) -> None:
        """At most `concurrent` calls for texts and as many for queries at a time."""
        self.model = model
        self.dim = dim
        self._texts = Endpoints(
            endpoints,
            what="Embedding error",
            timeout_seconds=timeout_seconds,
            concurrent=concurrent,
            wait_seconds=WAIT_SECONDS,
        )
        self._queries = Endpoints(
            endpoints,
            what="Embedding error",
            timeout_seconds=min(query_timeout_seconds, timeout_seconds),
            concurrent=concurrent,
            wait_seconds=QUERY_WAIT_SECONDS,
        )

    @property
    def states(self) -> dict[str, list[State]]:
        """What is thought of each endpoint, for texts that are stored and for queries."""
        return {"texts": self._texts.states, "queries": self._queries.states}

    def embed(self, texts: Sequence[str]) -> Vectors:
        parts = [
            self._call(self._texts, texts[start : start + TEXTS_PER_CALL])
            for start in range(0, len(texts), TEXTS_PER_CALL)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)

    def embed_query(self, text: str) -> Vector:
        vector: Vector = self._call(self._queries, [text])[0]
        return vector

    def _call(self, endpoints: Endpoints, texts: Sequence[str]) -> Vectors:
        answer = endpoints.post("embeddings", {"input": list(texts), "model": self.model})
        try:
            items = msgspec.convert(answer, _Answer).data
            if all(item.index >= 0 for item in items):
                items.sort(key=lambda item: item.index)
            vectors: Vectors = np.asarray([item.embedding for item in items], dtype=np.float32)
        except (msgspec.ValidationError, ValueError):
            raise Unavailable(
                "Embedding error: the endpoint's answer has no usable embeddings", retry_after=60
            ) from None
        is_usable = vectors.ndim == 2 and np.isfinite(vectors).all() and vectors.any(axis=1).all()
        if len(vectors) != len(texts) or not is_usable:
            raise Unavailable(
                "Embedding error: the endpoint's answer does not match the request", retry_after=60
            )
        if vectors.shape[1] != (self.dim or vectors.shape[1]):
            raise Unavailable(
                f"Embedding error: the endpoint gives {vectors.shape[1]} numbers, EMBEDDING_DIM says {self.dim}",
                retry_after=60,
            )
        self.dim = vectors.shape[1]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
        return vectors
