"""Links that callers or a model made; those of the rules are found in the texts."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

from apps.graph.models import Entity, MemoryEntityLink
from apps.graph.services import memories_link
from apps.legacy import mapping
from apps.legacy.scratch import Shelf
from apps.legacy.services.copying.run import Run, keyed
from apps.legacy.services.odd_rows import NAMED
from apps.legacy.source import Row, parts
from apps.memories.models import Memory
from memoria.entities import NAME_LENGTH, Found, LinkSource, entities

TOLD = (LinkSource.LLM, LinkSource.MANUAL)
_BY_RULES = ("regex", "rules", None)
_ENTITY = ("name", "display_name", "entity_type")


class _Link(NamedTuple):
    """What the old database says of one memory."""

    source: LinkSource
    memory_id: str
    thing: Found


def links_copy(run: Run) -> None:
    """Make the told links those of the old database."""
    had = not run.is_first and MemoryEntityLink.objects.filter(source__in=TOLD).exists()
    wanted = run.scratch.shelf()
    for part in parts(_told(run)):
        if had:
            wanted.add((link.memory_id, link.thing.name) for link in part)
        run.write(partial(_write, run, part))
    if had:
        _drop_others(run, wanted)


def _told(run: Run) -> Iterator[_Link]:
    named, cut, lost, strange = run.scratch.shelf(), set[str](), 0, 0
    link = partial(_link, cut)
    for batch in run.rows("mem_entities"):
        named.put(run.odd.mapped("mem_entities", "entity_id", _named, batch))
    for batch in run.rows("mem_memory_entity_links"):
        rows = list(run.odd.mapped("mem_memory_entity_links", "memory_id", _sourced, batch))
        told = [row for row in rows if row["source"] in TOLD]
        strange += sum(row["source"] not in (*TOLD, *_BY_RULES) for row in rows)
        things = named.found({row["entity_id"] for row in told})
        known = [row | {"thing": things[row["entity_id"]]} for row in told if row["entity_id"] in things]
        lost += len(told) - len(known)
        yield from run.odd.mapped("mem_memory_entity_links", "memory_id", link, known)
    for batch in run.rows("mem_entity_links"):
        rows = list(run.odd.mapped("mem_entity_links", "id", _by_hand, batch))
        known = [row for row in rows if row["thing"][0]]
        lost += len(rows) - len(known)
        yield from run.odd.mapped("mem_entity_links", "id", link, known)
    for count, what in (
        (lost, "things that are not there, or have no name,"),
        (strange, "things by nobody knows whom"),
    ):
        if count:
            run.result.warnings.append(f"{count} links to {what} are left out")
    if cut:
        shown = ", ".join(map(repr, sorted(cut)[:NAMED]))
        run.result.warnings.append(f"types of things are cut to {mapping.KIND_LENGTH} letters: {shown}")


def _named(row: Row) -> tuple[str | None, list[str | None]]:
    """An entity's id, and what it is called."""
    return mapping.text(row["entity_id"]), [mapping.text(row.get(column)) for column in _ENTITY]


def _sourced(row: Row) -> Row:
    """A link whose ids and source are text."""
    return row | {name: mapping.text(row[name]) for name in ("memory_id", "entity_id", "source")}


def _by_hand(row: Row) -> Row:
    """A link that names its entity itself."""
    kind = mapping.text(row.get("entity_type"))
    return row | {"thing": (mapping.text(row["entity_name"]), None, kind), "source": LinkSource.MANUAL}


def _link(cut: set[str], row: Row) -> _Link:
    """Raises Odd. A type that is too long goes to `cut`."""
    name, shown, kind = row["thing"]
    memory_id, source = mapping.required(row, "memory_id"), mapping.required(row, "source")
    if (name := name or shown) is None:
        raise mapping.Odd("name of the entity", None, "is lacking")
    if len(name.lower()) > NAME_LENGTH:
        raise mapping.Odd("name of the entity", name, f"is longer than {NAME_LENGTH} characters")
    if kind and len(kind) > mapping.KIND_LENGTH and len(cut) < NAMED:
        cut.add(kind)
    return _Link(LinkSource(source), memory_id, mapping.entity(name, shown, kind))


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
