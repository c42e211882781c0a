"""Links that callers or a model made; those of the rules are found in the texts."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from apps.graph.models import Entity, MemoryEntityLink
from apps.graph.services import memories_link
from apps.legacy import mapping
from apps.legacy.scratch import Shelf
from apps.legacy.services.copying.run import Run, keyed
from apps.legacy.source import parts
from apps.memories.models import Memory
from memoria.entities import Found, LinkSource, entities

TOLD = (LinkSource.LLM, LinkSource.MANUAL)


class _Link(NamedTuple):
    """What the old database says of one memory."""

    source: LinkSource
    memory_id: str
    thing: Found


def links_copy(run: Run) -> None:
    """Make the told links those of the old database."""
    had = MemoryEntityLink.objects.filter(source__in=TOLD).exists()
    wanted = run.scratch.shelf()
    for part in parts(_told(run)):
        if had:
            wanted.add((link.memory_id, link.thing.name) for link in part)
        run.write(partial(_write, run, part))
    if had:
        _drop_others(run, wanted)


def _told(run: Run) -> Iterator[_Link]:
    named = run.scratch.shelf()
    for batch in run.rows("mem_entities"):
        named.put(
            (row["entity_id"], (row["name"], row.get("display_name"), row.get("entity_type")))
            for row in batch
        )
    for batch in run.rows("mem_memory_entity_links"):
        told = [row for row in batch if row["source"] in TOLD]
        things = named.found(row["entity_id"] for row in told)
        for row in told:
            if (thing := things.get(row["entity_id"])) is not None:
                yield _Link(LinkSource(row["source"]), row["memory_id"], mapping.entity(*thing))
    for batch in run.rows("mem_entity_links"):
        for row in batch:
            if name := mapping.text(row["entity_name"]):
                thing = mapping.entity(name, None, row.get("entity_type"))
                yield _Link(LinkSource.MANUAL, row["memory_id"], thing)


def _write(run: Run, part: Iterable[_Link]) -> None:
    for source in TOLD:
        found: dict[str, list[Found]] = {}
        for link in part:
            if link.source == source:
                found.setdefault(link.memory_id, []).append(link.thing)
        memories_link(found=found, source=source, now=run.now)


def _drop_others(run: Run, wanted: Shelf) -> None:
    """Remove what callers or a model linked once and the old database no longer has."""
    links = MemoryEntityLink.objects.filter(source__in=TOLD)
    for part in parts(keyed(links, "pk", "memory_id", "entity_id")):
        names = dict(Entity.objects.filter(pk__in={row[2] for row in part}).values_list("pk", "name"))
        pairs = {pk: (memory_id, names[entity]) for pk, memory_id, entity in part}
        gone = set(wanted.lacking(pairs.values()))
        if gone:
            run.write(partial(_drop, run, {pk: pair[0] for pk, pair in pairs.items() if pair in gone}))


def _drop(run: Run, gone: dict[int, str]) -> None:
    """Remove these links, each with its memory; what the rules find in the texts comes back as theirs."""
    MemoryEntityLink.objects.filter(pk__in=gone).delete()
    texts = Memory.objects.filter(memory_id__in=set(gone.values())).values_list("memory_id", "content")
    found = {memory_id: entities(content) for memory_id, content in texts}
    memories_link(found=found, source=LinkSource.RULES, now=run.now)
