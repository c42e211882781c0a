"""Vectors of texts: from the user's database where the text is known, else from the embedder, outside
transactions.
"""

from dataclasses import dataclass, field

import numpy as np
import structlog

from apps.memories.models import Embedding
from apps.tenancy.scope import release_connection
from memoria.errors import Unavailable
from memoria.ports import Embedder, Vectors

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class TextVectors:
    """Vectors by content hash: those the database has, and fresh ones to be saved within the caller's commit."""

    known: dict[str, int] = field(default_factory=dict)
    fresh: dict[str, Vectors] = field(default_factory=dict)
    model: str = ""
    failure: str | None = None

    def save(self) -> dict[str, int]:
        """Store the fresh vectors; returns the embedding id of every hash that has one."""
        rows = [
            Embedding(
                content_hash=text_hash,
                model=self.model,
                dim=vectors.shape[1],
                vectors=vectors.astype(np.float16).tobytes(),
            )
            for text_hash, vectors in self.fresh.items()
        ]
        for row in rows:
            row.save(force_insert=True)
        return self.known | {row.content_hash: row.pk for row in rows}


def vectors_for(*, texts: dict[str, str], embedder: Embedder | None) -> TextVectors:
    """Look up or compute the vectors of texts keyed by content hash. Never fails: `failure` says what went
    wrong.
    """
    if embedder is None:
        return TextVectors(failure="no embedder is configured")
    found = Embedding.objects.filter(content_hash__in=list(texts), model=embedder.model)
    result = TextVectors(known=dict(found.values_list("content_hash", "id")), model=embedder.model)
    missing = {text_hash: text for text_hash, text in texts.items() if text_hash not in result.known}
    if missing:
        release_connection()  # embedding may take seconds
        try:
            vectors = embedder.embed(list(missing.values()))
        except Unavailable as error:
            log.warning("storing without vectors", reason=str(error), count=len(missing))
            result.failure = str(error)
        else:
            result.fresh = {text_hash: vectors[i : i + 1] for i, text_hash in enumerate(missing)}
    return result
