"""The configured embedder, one per process. None where embedding is switched off."""

from functools import cache

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.memories.embedding.hashed import HashedEmbedder
from apps.memories.embedding.http import HttpEmbedder
from apps.memories.embedding.local import LocalEmbedder
from apps.memories.remote import Endpoint, State
from memoria.ports import Embedder


@cache
def embedder() -> Embedder | None:
    provider = settings.MEMORIA_EMBEDDING_PROVIDER
    if provider == "none":
        return None
    if provider in ("hash", "mock"):
        return HashedEmbedder(settings.MEMORIA_EMBEDDING_DIM or HashedEmbedder.DEFAULT_DIM)
    if provider == "local":
        return LocalEmbedder()
    if not (endpoints := _endpoints()):
        raise ImproperlyConfigured(
            f"embedding provider {provider!r} needs EMBEDDING_BASE_URL or EMBEDDING_ENDPOINTS; "
            "the built-in providers are local, hash and none"
        )
    return HttpEmbedder(
        endpoints,
        model=settings.MEMORIA_EMBEDDING_MODEL,
        dim=settings.MEMORIA_EMBEDDING_DIM,
        timeout_seconds=settings.MEMORIA_EMBEDDING_TIMEOUT_SECONDS,
        query_timeout_seconds=settings.MEMORIA_EMBEDDING_QUERY_TIMEOUT_SECONDS,
        # A quarter of the threads stays free of an endpoint that hangs, whatever is asked.
        concurrent=max(1, settings.MEMORIA_THREADS * 3 // 8),
    )


def endpoint_states() -> dict[str, list[State]]:
    """What this process thinks of each endpoint of the embedder, by what it is asked for; nothing for local ones."""
    configured = embedder()
    return configured.states if isinstance(configured, HttpEmbedder) else {}


class _ConfiguredEndpoint(msgspec.Struct):
    url: str
    api_key: str = ""


def _endpoints() -> list[Endpoint]:
    if text := settings.MEMORIA_EMBEDDING_ENDPOINTS:
        try:
            found = msgspec.json.decode(text, type=list[_ConfiguredEndpoint])
        except msgspec.DecodeError:  # its text would repeat the keys
            raise ImproperlyConfigured(
                'EMBEDDING_ENDPOINTS must be JSON: [{"url": "…", "api_key": "…"}]'
            ) from None
        return [Endpoint(item.url, item.api_key) for item in found]
    if settings.MEMORIA_EMBEDDING_BASE_URL:
        return [Endpoint(settings.MEMORIA_EMBEDDING_BASE_URL, settings.MEMORIA_EMBEDDING_API_KEY)]
    return []
