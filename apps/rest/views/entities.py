"""What memories are about: /v1/entities and linking by a caller's own model."""

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.graph.selectors import entity_list
from apps.memories.llm import language_model
from apps.memories.services.entities import link_as_told, unlinked
from apps.memories.services.extraction import entities_extract
from apps.rest.base import UserView
from apps.rest.bodies import Body, read_body
from apps.rest.openapi import describe
from memoria.entities import CONCEPT
from memoria.errors import Unavailable


class EntityObject(msgspec.Struct):
    name: str
    entity_type: str


class EntitiesAnswer(msgspec.Struct):
    entities: list[EntityObject]


class ExtractBody(Body):
    mode: str = "auto"
    """`candidates` only lists; `auto` does too where no model answers; `internal` insists on one."""


class UnlinkedMemory(msgspec.Struct):
    memory_id: str
    content: str


class ExtractAnswer(msgspec.Struct, omit_defaults=True):
    status: str
    unlinked: int | None = None
    memories: list[UnlinkedMemory] | None = None
    existing_entities: list[EntityObject] | None = None
    total_memories: int | None = None
    """How many a model has read."""
    entities_found: int | None = None
    """How many of them were new."""


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
    masked: list[str] | msgspec.UnsetType = msgspec.UNSET
    """The kinds of personal data that were masked in names."""


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
        summary="Link memories that are linked to nothing yet by a language model, or list them for one",
        body=ExtractBody,
        answer=ExtractAnswer,
        example={"mode": "candidates"},
    )
    def post(self, request: Request) -> Response:
        mode = read_body(request, ExtractBody).mode
        model = language_model()
        if mode == "internal" and model is None:
            raise Unavailable("LLM_API_KEY not configured", retry_after=3600)
        found = unlinked()
        if not found:
            return Response({"status": "complete", "unlinked": 0})
        if model is not None and mode != "candidates":
            try:
                read, linked = entities_extract(
                    model=model, memories=found, actor_id=self.caller.user_id, now=timezone.now()
                )
                return Response(ExtractAnswer("done", total_memories=read, entities_found=linked.created))
            except Unavailable:
                if mode == "internal":
                    raise
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
            memory_id: [
                (entity.name, entity.type)
                for each in body.entities
                if each.memory_id == memory_id
                for entity in each.entities
            ]
            for memory_id in dict.fromkeys(each.memory_id for each in body.entities)
        }
        linked, masked = link_as_told(told=told, actor_id=self.caller.user_id, now=timezone.now())
        return Response(
            LinkAnswer(linked.created, linked.reused, linked.created, list(masked) or msgspec.UNSET)
        )
