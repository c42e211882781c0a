"""Vectors of texts: from the user's database where the text is known, else from the embedder, outside
transactions.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import structlog

from apps.jobs.coalesce import Coalescer
from apps.memories.models import Embedding
from apps.tenancy import sql
from apps.tenancy.scope import current_route, release_connection
from apps.tenancy.services.embedding import embedding_missing
from memoria.errors import Refused, Unavailable
from memoria.passages import passages
from memoria.ports import Embedder
from memoria.segments import Floats

log = structlog.get_logger(__name__)

# A sentence that never ends is cut here before it is embedded.
PASSAGE_CHARACTERS = 2_000


@dataclass(slots=True)
class TextVectors:
    """Vectors by content hash: those the database has, and fresh ones, a row per passage, to be saved within the
    caller's commit."""

    model: str = ""
    known: dict[str, int] = field(default_factory=dict)
    fresh: dict[str, Floats] = field(default_factory=dict)
    failure: str | None = None
    is_refused: bool = False
    """It failed because the endpoint does not take one of the texts at least."""

    def save(self) -> dict[str, int]:
        """Store the fresh vectors; returns the embedding id of every hash that has one."""
        if self.failure is not None:
            # Within the commit, after the clock was taken: whoever re-embeds says so under the same lock, so neither
            # can overlook the other, and no kill comes between.
            embedding_missing(user_ids=[current_route().user_id])
        if not self.fresh:
            return self.known
        rows = [
            Embedding(
                content_hash=text_hash,
                model=self.model,
                dim=vectors.shape[1],
                vector=vectors.astype(np.float16).tobytes(),
            )
            for text_hash, vectors in self.fresh.items()
        ]
        sql.insert_numbered(rows)
        return self.known | {row.content_hash: row.pk for row in rows}


def vectors_for(*, texts: dict[str, str], embedder: Embedder | None) -> TextVectors:
    """Look up or compute the vectors of texts keyed by content hash. Never fails: `failure` says what went wrong."""
    if embedder is None:
        return TextVectors(failure="no embedder is configured")
    result = TextVectors(model=embedder.model, known=_known(list(texts), embedder))
    missing = {text_hash: text for text_hash, text in texts.items() if text_hash not in result.known}
    if missing:
        release_connection()  # embedding may take seconds
        try:
            result.fresh = _embedded(missing, embedder)
        except Unavailable as error:
            log.warning("storing without vectors", reason=str(error), count=len(missing))
            result.failure, result.is_refused = str(error), isinstance(error, Refused)
    return result


def vectors_lacking() -> None:
    """Somebody has seen that texts of the open user have no vector of the configured model: the background job will
    find the user, whatever brought the texts. For readers, who must not write; those who store say so as they do.
    """
    _lacking.put(current_route().user_id, True)


_lacking: Coalescer[str, bool] = Coalescer(
    name="missing-vectors", write=lambda users: embedding_missing(user_ids=users)
)


def _known(hashes: list[str], embedder: Embedder) -> dict[str, int]:
    of_width, width = ("AND dim = %s", [embedder.dim]) if embedder.dim else ("", [])
    found: dict[str, int] = {}
    for start in range(0, len(hashes), sql.ROWS_PER_STATEMENT):
        part = hashes[start : start + sql.ROWS_PER_STATEMENT]
        rows = sql.query(
            f"SELECT content_hash, id FROM mem_embeddings WHERE content_hash IN ({sql.marks(part)})"
            f" AND model = %s {of_width}",
            [*part, embedder.model, *width],
        )
        found.update(rows)  # type: ignore[arg-type]
    return found


def _embedded(texts: dict[str, str], embedder: Embedder) -> dict[str, Floats]:
    """One row per passage for every text, all of them in one call."""
    parts = {text_hash: passages(text) for text_hash, text in texts.items()}
    every = [passage[:PASSAGE_CHARACTERS] for some in parts.values() for passage in some]
    vectors = embedder.embed(every)
    ends = accumulate(len(some) for some in parts.values())
    return {
        text_hash: vectors[end - len(parts[text_hash]) : end]
        for text_hash, end in zip(parts, ends, strict=True)
    }


def query_vector(*, query: str, embedder: Embedder | None) -> tuple[Floats | None, str | None]:
    """The vector of a query, or why there is none."""
    if embedder is None:
        return None, "no embedder is configured"
    if not query.strip():
        return None, "the query is blank"
    text = query[:PASSAGE_CHARACTERS]
    if (known := _known_queries.find(embedder, text)) is not None:
        return known, None
    release_connection()
    try:
        vector = embedder.embed_query(text)
    except Unavailable as error:
        log.warning("searching without vectors", reason=str(error))
        return None, str(error)
    _known_queries.keep(embedder, text, vector)
    return vector, None


class _Queries:
    """Vectors of the latest queries, of all users: agents ask the same again and again. Holds digests, no texts."""

    KEPT = 1_024

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._vectors: OrderedDict[tuple[str, int, bytes], Floats] = OrderedDict()

    @staticmethod
    def _key(embedder: Embedder, text: str) -> tuple[str, int, bytes]:
        return embedder.model, embedder.dim, hashlib.sha256(text.encode(errors="surrogatepass")).digest()

    def find(self, embedder: Embedder, text: str) -> Floats | None:
        key = self._key(embedder, text)
        with self._lock:
            if (found := self._vectors.get(key)) is not None:
                self._vectors.move_to_end(key)
            return found

    def keep(self, embedder: Embedder, text: str, vector: Floats) -> None:
        with self._lock:
            self._vectors[self._key(embedder, text)] = vector.copy()  # not the batch it may be a row of
            if len(self._vectors) > self.KEPT:
                self._vectors.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._vectors.clear()


_known_queries = _Queries()
