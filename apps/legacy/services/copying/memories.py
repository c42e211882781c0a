"""Main's memories with their vectors and the links that the rules find in their texts."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from apps.graph.models import MemoryEntityLink
from apps.graph.services import memories_link
from apps.legacy import mapping
from apps.legacy.services.copying.history import born
from apps.legacy.services.copying.run import Run, keys
from apps.legacy.source import BATCH, Row, parts
from apps.memories.models import Embedding, Memory, MemoryColumns
from apps.tenancy import sql
from memoria.entities import LinkSource, entities
from memoria.search_text import search_text

# What makes two memories the same row; digests stand for all text.
COMPARED = ("digest", "born", "embedding_id", "observed_at", "created_at", "updated_at")
Made = list[tuple[Memory, Any]]
"""Memories with their old vectors, of any width."""


def memories_copy(run: Run, branches: list[Row]) -> None:
    """Make main hold what the old main does."""
    seen = run.scratch.shelf()
    forks: list[datetime] = [mapping.made_at(branch) for branch in branches]
    for batch in run.rows("mem_memories"):
        made = made_of(run, "mem_memories", batch)
        for memory, _ in made:
            memory.born = born(memory.created_at, forks)
        if not run.is_first:
            seen.add(memory.memory_id for memory, _ in made)
        run.write(partial(_write, run, made))
    if run.is_first:
        return
    for part in parts(seen.lacking(keys(Memory.objects.all(), "memory_id"))):
        run.write(partial(_remove, part))
        run.result.removed += len(part)


def made_of(run: Run, table: str, batch: list[Row]) -> Made:
    """The memories of these rows of main's table or of a branch's."""
    made = list(run.odd.mapped(table, "memory_id", _made, batch))
    if run.vectors is not None:
        told = sum(row.get("embedding") not in (None, "", b"") for row in batch)
        run.unfit_vectors += told - sum(unit is not None and len(unit) == run.vectors.dim for _, unit in made)
    return made


def _made(row: Row) -> tuple[Memory, Any]:
    memory = mapping.memory(row)
    mapping.fits(memory)
    return memory, mapping.vector(row.get("embedding"))


def _write(run: Run, made: Made) -> None:
    vectors_attach(run, made)
    rows = [memory for memory, _ in made]
    if not run.is_first:
        there = {
            row[0]: row[1:]
            for row in Memory.objects.filter(memory_id__in=[r.memory_id for r in rows]).values_list(
                "memory_id", *COMPARED
            )
        }
        rows = [r for r in rows if there.get(r.memory_id) != tuple(getattr(r, c) for c in COMPARED)]
        _remove([r.memory_id for r in rows if r.memory_id in there])
    insert(run, rows)
    run.result.written += len(rows)


def _remove(memory_ids: list[str]) -> None:
    if memory_ids:
        Memory.objects.filter(memory_id__in=memory_ids).delete()
        MemoryEntityLink.objects.filter(memory_id__in=memory_ids).delete()


def insert(run: Run, rows: Sequence[MemoryColumns]) -> None:
    """Write rows that are new here, with what is derived from their texts."""
    for row in rows:
        row.search_text = search_text(row.content)
    sql.insert(rows)
    found = {row.memory_id: entities(row.content) for row in rows}
    memories_link(found=found, source=LinkSource.RULES, now=run.now)


def vectors_attach(run: Run, made: Made) -> None:
    """Give the rows their vectors, one Embedding for rows with the same text and vector."""
    if run.vectors is None:
        return
    wanted: dict[tuple[str, bytes], list[Any]] = {}
    for memory, unit in made:
        if unit is not None and len(unit) == run.vectors.dim:
            key = (memory.content_hash, unit.astype(np.float16).tobytes())
            wanted.setdefault(key, []).append(memory)
    hashes = sorted({text_hash for text_hash, _ in wanted})
    known: dict[tuple[str, bytes], int] = {}
    for part in parts(hashes, BATCH):
        rows = Embedding.objects.filter(content_hash__in=part, model=run.vectors.model)
        known |= {(r[0], bytes(r[1])): r[2] for r in rows.values_list("content_hash", "vector", "id")}
    fresh = [key for key in wanted if key not in known]
    if fresh:
        rows = [
            Embedding(content_hash=h, model=run.vectors.model, dim=run.vectors.dim, vector=v)
            for h, v in fresh
        ]
        sql.insert_numbered(rows)
        known |= {key: row.pk for key, row in zip(fresh, rows, strict=True)}
    for key, memories in wanted.items():
        for memory in memories:
            memory.embedding_id = known[key]
