"""Embeddings from any OpenAI-compatible endpoint."""

from collections.abc import Sequence

import msgspec
import numpy as np

from apps.memories.remote import Endpoint, Endpoints
from memoria.errors import Unavailable
from memoria.ports import Vectors

TEXTS_PER_CALL = 64
CONCURRENT_CALLS = 32


class _Item(msgspec.Struct):
    embedding: list[float]
    index: int = -1


class _Answer(msgspec.Struct):
    data: list[_Item]


class HttpEmbedder:
    def __init__(
        self, endpoints: Sequence[Endpoint], *, model: str, dim: int, timeout_seconds: float
    ) -> None:
        self.model = model
        self.dim = dim
        self._endpoints = Endpoints(
            endpoints, what="Embedding error", timeout_seconds=timeout_seconds, concurrent=CONCURRENT_CALLS
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        parts = [
            self._call(texts[start : start + TEXTS_PER_CALL])
            for start in range(0, len(texts), TEXTS_PER_CALL)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dim), dtype=np.float32)

    def _call(self, texts: Sequence[str]) -> Vectors:
        answer = self._endpoints.post("embeddings", {"input": list(texts), "model": self.model})
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
