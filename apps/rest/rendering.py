"""JSON out, whatever the caller says it accepts: clients of the earlier server send all kinds of Accept
headers.
"""

from typing import Any

import msgspec
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer

_encoder = msgspec.json.Encoder()


class JsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        return b"" if data is None and _has_no_body(renderer_context) else _encoder.encode(data)


def _has_no_body(renderer_context: Any) -> bool:
    return bool(renderer_context) and renderer_context["response"].status_code == 204


class AlwaysJson(BaseContentNegotiation):
    def select_parser(self, request: Any, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
