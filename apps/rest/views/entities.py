"""What memories are about: /v1/entities and linking by a caller's own model."""

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.graph.selectors import entity_list
from apps.memories.services.entities import link_as_told, unlinked
from apps.rest.base import UserView
from apps.rest.bodies import Body, read_body
from apps.rest.openapi import describe
from memoria.entities import CONCEPT


class EntityObject(msgspec.Struct):
    name: str
    entity_type: str


class EntitiesAnswer(msgspec.Struct):
    entities: list[EntityObject]


class ExtractBody(Body):
    mode: str = "auto"
    """`candidates` only lists; `auto` and `internal` do too as long as no model is configured."""


class UnlinkedMemory(msgspec.Struct):
    memory_id: str
    content: str


class ExtractAnswer(msgspec.Struct, omit_defaults=True):
    status: str
    unlinked: int | None = None
    memories: list[UnlinkedMemory] | None = None
    existing_entities: list[EntityObject] | None = None


class NamedEntity(Body):
    name: str
    type: str = CONCEPT


class EntitiesOfMemory(Body):
    memory_id: str
    entities: list[NamedEntity]


class LinkBody(Body):
    entities: list[EntitiesOfMemory]


class LinkAnswer(msgspec.Struct):
    entities_created: int
    entities_reused: int
    edges_created: int


class EntitiesView(UserView):
    @describe(
        summary="Everything the memories are about, by name",
        answer=EntitiesAnswer,
        answer_example={"entities": [{"name": "redis", "entity_type": "tech"}]},
    )
    def get(self, request: Request) -> Response:
        return Response(EntitiesAnswer([EntityObject(each.name, each.entity_type) for each in entity_list()]))


class ExtractView(UserView):
    @describe(
        summary="Memories that are linked to nothing yet, for a model to read",
        body=ExtractBody,
        answer=ExtractAnswer,
        example={"mode": "candidates"},
    )
    def post(self, request: Request) -> Response:
        read_body(request, ExtractBody)
        found = unlinked()
        if not found:
            return Response({"status": "complete", "unlinked": 0})
        return Response(
            ExtractAnswer(
                "candidates",
                len(found),
                [UnlinkedMemory(item.memory_id, item.content) for item in found],
                [EntityObject(each.name, each.entity_type) for each in entity_list()],
            )
        )


class LinkView(UserView):
    @describe(
        summary="Link memories to what they are about; counts more than what the rules find",
        body=LinkBody,
        answer=LinkAnswer,
        example={"entities": [{"memory_id": "0" * 32, "entities": [{"name": "Redis", "type": "tech"}]}]},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, LinkBody)
        told = {
            each.memory_id: [(entity.name, entity.type) for entity in each.entities] for each in body.entities
        }
        linked = link_as_told(told=told, actor_id=self.caller.user_id, now=timezone.now())
        return Response(LinkAnswer(linked.created, linked.reused, linked.created))
