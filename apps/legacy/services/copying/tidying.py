"""What repeated copies leave behind: vectors, links and entities of texts that are gone."""

from functools import partial

from apps.graph.models import MemoryEntityLink
from apps.legacy.services.copying.run import Run, keyed
from apps.legacy.source import parts
from apps.memories.models import Memory, Revision
from apps.tenancy import sql
from memoria.entities import LinkSource

_UNUSED_ENTITIES = "DELETE FROM mem_entities WHERE id NOT IN (SELECT entity_id FROM mem_memory_entity_links)"
_UNUSED_VECTORS = (
    "DELETE FROM mem_embeddings"
    " WHERE id NOT IN (SELECT embedding_id FROM mem_memories WHERE embedding_id IS NOT NULL)"
    " AND id NOT IN (SELECT embedding_id FROM mem_revisions WHERE embedding_id IS NOT NULL)"
)


def leftovers_drop(run: Run) -> None:
    """Remove what nothing refers to from the open database."""
    run.write(partial(_execute, _UNUSED_VECTORS))
    on_branches = run.scratch.shelf()
    for part in parts(memory_id for _, memory_id in keyed(Revision.objects.all(), "pk", "memory_id")):
        on_branches.add(part)
    by_rules = MemoryEntityLink.objects.filter(source=LinkSource.RULES)
    for links in parts(keyed(by_rules, "pk", "memory_id")):
        ids = {memory_id for _, memory_id in links}
        ids -= set(Memory.objects.filter(memory_id__in=ids).values_list("memory_id", flat=True))
        loose = set(on_branches.lacking(ids))
        if loose:
            gone = [pk for pk, memory_id in links if memory_id in loose]
            run.write(MemoryEntityLink.objects.filter(pk__in=gone).delete)
    run.write(partial(_execute, _UNUSED_ENTITIES))


def _execute(statement: str) -> None:
    sql.execute(statement)
