"""What the domain needs from outside and has more than one real implementation of."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Vector = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into unit vectors of one space."""

    model: str
    """Identifies the space: vectors of different models are never compared."""
    dim: int
    """Width of the vectors; 0 until the first answer where only the endpoint knows it."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one row per text, float32, length 1. Raises Unavailable when it cannot, now."""
        ...

    def embed_query(self, text: str) -> Vector:
        """The same for one text that somebody waits for: gives up much earlier."""
        ...


class Reranker(Protocol):
    """Reads question and texts together, which closeness of vectors cannot; too slow for more than a few."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the query, the higher the better. Raises Unavailable when it cannot, now."""
        ...
