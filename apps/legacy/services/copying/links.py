"""Links that callers or a model made; those of the rules are found in the texts."""

from functools import partial

from apps.graph.models import Entity, MemoryEntityLink
from apps.graph.services import memories_link
from apps.legacy import mapping
from apps.legacy.services.copying.run import Run
from apps.legacy.source import parts
from apps.memories.models import Memory
from memoria.entities import Found, LinkSource, entities

_Told = dict[LinkSource, dict[str, list[Found]]]


def links_copy(run: Run) -> None:
    """Make the told links those of the old database."""
    named = {row["entity_id"]: row for batch in run.rows("mem_entities") for row in batch}
    told: _Told = {LinkSource.LLM: {}, LinkSource.MANUAL: {}}
    for batch in run.rows("mem_memory_entity_links"):
        for row in batch:
            if row["source"] in ("manual", "llm") and (thing := named.get(row["entity_id"])) is not None:
                found = mapping.entity(thing["name"], thing.get("display_name"), thing.get("entity_type"))
                told[LinkSource(row["source"])].setdefault(row["memory_id"], []).append(found)
    for batch in run.rows("mem_entity_links"):
        for row in batch:
            if name := mapping.text(row["entity_name"]):
                found = mapping.entity(name, None, row.get("entity_type"))
                told[LinkSource.MANUAL].setdefault(row["memory_id"], []).append(found)
    run.write(partial(_write, run, told))


def _write(run: Run, told: _Told) -> None:
    for source, found_by_id in told.items():
        memories_link(found=found_by_id, source=source, now=run.now)
    _drop_others(run, told)


def _drop_others(run: Run, told: _Told) -> None:
    """Remove what callers or a model linked once and the old database no longer has."""
    wanted = {
        (memory_id, thing.name)
        for found_by_id in told.values()
        for memory_id, every in found_by_id.items()
        for thing in every
    }
    links = MemoryEntityLink.objects.filter(source__in=tuple(told))
    named = Entity.objects.filter(pk__in=links.values("entity_id")).values_list("pk", "name")
    names, rows = dict(named), links.values_list("pk", "memory_id", "entity_id")
    gone = [(pk, memory_id) for pk, memory_id, entity in rows if (memory_id, names[entity]) not in wanted]
    for part in parts(gone):
        links.filter(pk__in=[pk for pk, _ in part]).delete()
        texts = Memory.objects.filter(memory_id__in=[i for _, i in part]).values_list("memory_id", "content")
        found = {memory_id: entities(content) for memory_id, content in texts}
        memories_link(found=found, source=LinkSource.RULES, now=run.now)
