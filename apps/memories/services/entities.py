"""Linking memories to the things they are about, within the commit that writes them."""

from collections.abc import Mapping
from datetime import datetime

from apps.graph.services import memories_link
from memoria.entities import LinkSource, entities


def link_by_rules(texts: Mapping[str, str], *, now: datetime) -> None:
    """Link memories, given as texts by memory id, to what the rules find in them."""
    memories_link(
        found={memory_id: entities(text) for memory_id, text in texts.items()},
        source=LinkSource.RULES,
        now=now,
    )
