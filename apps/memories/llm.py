"""The configured language model, or None: any OpenAI-compatible chat endpoint. Nothing waits for it inside a
transaction.
"""

import json
import re
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import msgspec
from django.conf import settings

from apps.memories.remote import Endpoint, Endpoints
from apps.tenancy.scope import release_connection
from memoria.errors import Unavailable

T = TypeVar("T")

CONCURRENT_CALLS = 8
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_OPENING = re.compile(r"[\[{]")


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct):
    choices: list[_Choice]


class LanguageModel:
    def __init__(self, endpoint: Endpoint, *, model: str, timeout_seconds: float) -> None:
        self._model = model
        self._endpoints = Endpoints(
            [endpoint], what="LLM error", timeout_seconds=timeout_seconds, concurrent=CONCURRENT_CALLS
        )

    def answer_json(self, *, system: str, user: str) -> dict[str, Any]:
        """Ask for one JSON object. Raises Unavailable when there is no answer in time, or one that is not JSON."""
        found = self._answer(system, user)
        if not isinstance(found, dict):
            raise Unavailable("LLM returned invalid JSON: not an object", retry_after=5)
        return found

    def answer_list(self, *, system: str, user: str, shape: type[T]) -> list[T]:
        """Ask for a JSON array of `shape`; entries of another shape are left out. Raises Unavailable as above.

        Models that are asked for an array like to wrap it in an object.
        """
        found = self._answer(system, user)
        if isinstance(found, dict):
            lists = [value for value in found.values() if isinstance(value, list)]
            found = next(filter(None, lists), lists[0] if lists else None)
        if not isinstance(found, list):
            raise Unavailable("LLM returned invalid JSON: not an array", retry_after=5)
        kept: list[T] = []
        for entry in found:
            with suppress(msgspec.ValidationError):
                kept.append(msgspec.convert(entry, shape))
        return kept

    def _answer(self, system: str, user: str) -> Any:
        release_connection()
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        payload = {"model": self._model, "messages": messages, "temperature": 0}
        answer = self._endpoints.post("chat/completions", payload)
        try:
            text = msgspec.convert(answer, _Answer).choices[0].message.content
            return first_json(text)
        except (msgspec.ValidationError, IndexError, ValueError, RecursionError):
            raise Unavailable("LLM returned invalid JSON", retry_after=5) from None


def first_json(text: str) -> Any:
    """The first JSON array or object in an answer: models like to say something around it, and to think aloud before.
    Raises ValueError where there is none.
    """
    said = _THOUGHT.sub("", text)
    decoder = json.JSONDecoder()
    for match in _OPENING.finditer(said):
        with suppress(ValueError):
            return decoder.raw_decode(said, match.start())[0]
    raise ValueError("no JSON")


@cache
def language_model() -> LanguageModel | None:
    if not settings.MEMORIA_LLM_API_KEY:
        return None
    return LanguageModel(
        Endpoint(settings.MEMORIA_LLM_BASE_URL, settings.MEMORIA_LLM_API_KEY),
        model=settings.MEMORIA_LLM_MODEL,
        timeout_seconds=settings.MEMORIA_LLM_TIMEOUT_SECONDS,
    )
