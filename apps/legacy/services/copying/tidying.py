"""What repeated copies leave behind: vectors, links and entities of texts that are gone."""

from apps.graph.models import MemoryEntityLink
from apps.legacy.source import parts
from apps.memories.models import Revision
from apps.tenancy import sql
from memoria.entities import LinkSource

_NOT_MAINS = (
    "SELECT l.id, l.memory_id FROM mem_memory_entity_links l LEFT JOIN mem_memories m ON m.memory_id = l.memory_id"
    " WHERE m.memory_id IS NULL AND l.source = %s"
)
_UNUSED_VECTORS = (
    "DELETE FROM mem_embeddings"
    " WHERE id NOT IN (SELECT embedding_id FROM mem_memories WHERE embedding_id IS NOT NULL)"
    " AND id NOT IN (SELECT embedding_id FROM mem_revisions WHERE embedding_id IS NOT NULL)"
)


def leftovers_drop() -> None:
    """Remove what nothing refers to from the open database. Inside a transaction."""
    sql.execute(_UNUSED_VECTORS)
    of_branches = set(Revision.objects.values_list("memory_id", flat=True))
    loose = [
        pk for pk, memory_id in sql.query(_NOT_MAINS, [LinkSource.RULES]) if memory_id not in of_branches
    ]
    for part in parts(loose):
        MemoryEntityLink.objects.filter(pk__in=part).delete()
    sql.execute("DELETE FROM mem_entities WHERE id NOT IN (SELECT entity_id FROM mem_memory_entity_links)")
