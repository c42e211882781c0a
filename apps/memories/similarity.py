"""Near neighbours among main's active memories, by cosine of their vectors."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from apps.memories.models import Embedding, Memory
from memoria.redaction import has_mask
from memoria.segments import Floats
from memoria.tokens import tokens
from memoria.types import MemoryType

ROWS_PER_READ = 2_000
# A model's name and its width: vectors of one space can be compared.
Space = tuple[str, int]


def vectors_of(embedding_ids: Iterable[int]) -> dict[int, Floats]:
    """One unit vector by embedding id: the direction of the mean of a text's passages."""
    found: dict[int, Floats] = {}
    every = sorted(set(embedding_ids))
    for start in range(0, len(every), ROWS_PER_READ):
        rows = Embedding.objects.filter(pk__in=every[start : start + ROWS_PER_READ])
        for pk, dim, blob in rows.values_list("pk", "dim", "vector"):
            mean = np.frombuffer(blob, dtype=np.float16).reshape(-1, dim).mean(axis=0, dtype=np.float32)
            found[pk] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return found


def nearest_in_main(rows: Sequence[Any], *, minimum: float) -> dict[str, tuple[float, str]]:
    """For each row with a vector the nearest active main memory of its type, if at least `minimum` alike.

    Returns (cosine, main's memory id) by the row's memory id; ties go to the smaller main id. Only vectors of the
    same model and width are compared. What masks stand for is in no vector: where either text has one, only the
    very same text is near.
    """
    wanted = [row for row in rows if row.embedding_id is not None]
    if not wanted:
        return {}
    groups = _grouped(wanted)
    best: dict[str, tuple[float, str]] = {}
    main = Memory.objects.filter(
        is_active=True, memory_type__in={memory_type for memory_type, _ in groups}, embedding_id__isnull=False
    )
    keys = list(
        main.order_by("memory_id").values_list("memory_id", "memory_type", "embedding_id", "content_hash")
    )
    hashes = {row.memory_id: row.content_hash for row in wanted}
    masked = {row.memory_id for row in wanted if has_mask(row.content)}
    bracketed = main.filter(content__contains="[").values_list("memory_id", "content").iterator()
    masked |= {memory_id for memory_id, content in bracketed if has_mask(content)}
    own = {row.memory_id for row in wanted}
    for start in range(0, len(keys), ROWS_PER_READ):
        part = [key for key in keys[start : start + ROWS_PER_READ] if key[0] not in own]
        theirs = vectors_of(key[2] for key in part)
        spaces = _spaces(theirs)
        for (memory_type, space), (ids, mine) in groups.items():
            same = [key for key in part if key[1] == memory_type and spaces.get(key[2]) == space]
            if not same:
                continue
            alike = np.stack([theirs[key[2]] for key in same]) @ mine.T
            _part_masked(
                alike, {key[0]: key[3] for key in same}, {each: hashes[each] for each in ids}, masked
            )
            nearest = alike.argmax(axis=0)
            cosines = alike[nearest, np.arange(len(ids))]
            for number in np.flatnonzero(cosines >= minimum):
                cosine = float(cosines[number])
                if cosine > best.get(ids[number], (-1.0, ""))[0]:
                    best[ids[number]] = (cosine, same[nearest[number]][0])
    return best


def _part_masked(alike: Floats, theirs: dict[str, str], mine: dict[str, str], masked: set[str]) -> None:
    """Hold masked texts, given as hashes by memory id in the order of rows and columns, alike to themselves only."""
    their_hashes, my_hashes = np.array(list(theirs.values())), np.array(list(mine.values()))
    for number, memory_id in enumerate(theirs):
        if memory_id in masked:
            alike[number, my_hashes != their_hashes[number]] = -np.inf
    for number, memory_id in enumerate(mine):
        if memory_id in masked:
            alike[their_hashes != my_hashes[number], number] = -np.inf


def _grouped(rows: Sequence[Any]) -> dict[tuple[str, Space], tuple[list[str], Floats]]:
    """Memory ids and their vectors as a matrix, by type and space."""
    vectors = vectors_of(row.embedding_id for row in rows)
    spaces = _spaces(vectors)
    groups: dict[tuple[str, Space], list[Any]] = {}
    for row in rows:
        groups.setdefault((row.memory_type, spaces[row.embedding_id]), []).append(row)
    return {
        key: ([row.memory_id for row in some], np.stack([vectors[row.embedding_id] for row in some]))
        for key, some in groups.items()
    }


def _spaces(embedding_ids: Iterable[int]) -> dict[int, Space]:
    """The model and width of each embedding."""
    found: dict[int, Space] = {}
    every = sorted(set(embedding_ids))
    for start in range(0, len(every), ROWS_PER_READ):
        rows = Embedding.objects.filter(pk__in=every[start : start + ROWS_PER_READ])
        found.update({pk: (model, dim) for pk, model, dim in rows.values_list("pk", "model", "dim")})
    return found


def rank_rows(rows: Sequence[Any], *, query: str, vector: Any) -> dict[str, float]:
    """Score a handful of rows against a query: 0.7/(1 + L2) by meaning and 0.3 by the share of query words it has.

    `vector` None ranks by words alone. Rows of type semantic get 0.001 more, as clients of the earlier server expect.
    """
    words = set(tokens(query))
    vectors = vectors_of(row.embedding_id for row in rows if row.embedding_id is not None)
    scores: dict[str, float] = {}
    for row in rows:
        score = 0.001 if row.memory_type == MemoryType.SEMANTIC else 0.0
        if words:
            score += 0.3 * len(words & set(tokens(row.content))) / len(words)
        mine = vectors.get(row.embedding_id)
        if vector is not None and mine is not None and len(mine) == len(vector):
            cosine = min(float(mine @ vector), 1.0)
            score += 0.7 / (1 + (2 - 2 * cosine) ** 0.5)
        scores[row.memory_id] = score
    return scores
