"""What memories are about: entities, and links from memories to them.

A link belongs to a memory's text, not to its state: it stays while any view can show the memory, so that purges,
branches and rollbacks need not touch it. Readers join it with the rows of their view.
"""

from django.db import models

from apps.tenancy.fields import BytewiseField
from apps.tenancy.user_plane import UserModel


class Entity(UserModel):
    """A thing with one canonical name, lower case."""

    name = BytewiseField(max_length=200, unique=True)
    display_name = models.CharField(max_length=200)
    entity_type = models.CharField(max_length=20)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "mem_entities"


class MemoryEntityLink(UserModel):
    memory_id = BytewiseField(max_length=64)
    entity_id = models.BigIntegerField()
    source = models.CharField(max_length=10)
    weight = models.FloatField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "mem_memory_entity_links"
        constraints = (
            models.UniqueConstraint(fields=["memory_id", "entity_id"], name="links_memory_entity"),
        )
        indexes = (models.Index(fields=["entity_id"], name="links_entity"),)
