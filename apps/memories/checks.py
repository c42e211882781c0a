"""System checks an operator sees at start."""

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from apps.memories.embedding import embedder


@register()
def the_embedder_can_be_made(**_: Any) -> list[CheckMessage]:
    """Only that its settings make sense: an endpoint that is down now may be up when it is needed."""
    try:
        embedder()
    except ImproperlyConfigured as error:
        hint = "docs/configuration.md lists the embedding settings."
        return [Error(str(error), hint=hint, id="memoria.E004")]
    return []
