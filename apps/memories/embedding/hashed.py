"""A deterministic embedder without weights: hashed words and character n-grams. For tests and tiny machines."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from memoria.ports import Vector, Vectors


class HashedEmbedder:
    """Texts that share words or parts of words are near; nothing else is known about meaning."""

    DEFAULT_DIM = 512

    def __init__(self, dim: int = DEFAULT_DIM) -> None:
        self.dim = dim
        self.model = f"hashed-ngrams-{dim}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for feature, weight in self._features(text):
                value = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "little")
                row[(value >> 1) % self.dim] += weight if value & 1 else -weight
            row /= math.sqrt(float(row @ row)) or 1.0
        return vectors

    def embed_query(self, text: str) -> Vector:
        vector: Vector = self.embed([text])[0]
        return vector

    @staticmethod
    def _features(text: str) -> list[tuple[str, float]]:
        words = text.casefold().split() or [""]
        found = [(f"w{word}", 1.0) for word in words]
        for word in words:
            padded = f"<{word}>"
            found += [(padded[i : i + 3], 0.5) for i in range(len(padded) - 2)]
        return found
