"""Reading JSON bodies and query strings into msgspec structs, strictly: no value is coerced."""

import json
from typing import Any, TypeVar

import msgspec
from rest_framework.request import Request

from memoria.errors import Invalid, Malformed, UnsupportedMediaType

T = TypeVar("T")


class Body(msgspec.Struct, kw_only=True):
    """A JSON body. Unknown fields are ignored."""


class StrictBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A JSON body of the routes that refuse unknown fields."""


def read_body(request: Request, shape: type[T]) -> T:
    """Decode the body. Raises UnsupportedMediaType, Malformed (not JSON) or Invalid (wrong shape)."""
    media_type = (request.META.get("CONTENT_TYPE") or "").split(";")[0].strip().lower()
    main, _, sub = media_type.partition("/")
    if main != "application" or not (sub == "json" or sub.endswith("+json")):
        raise UnsupportedMediaType("Expected request with `Content-Type: application/json`")
    body = request._request.body
    try:
        decoded = msgspec.json.decode(body, type=shape)
        json.loads(body, object_pairs_hook=_refuse_twins, parse_int=str, parse_float=str)
        return decoded
    except msgspec.ValidationError as error:
        reason = str(error).replace("Object missing required field", "missing field")
        raise Invalid(f"Failed to deserialize the JSON body into the target type: {reason}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"Failed to parse the request body as JSON: {error}") from None
    except RecursionError:  # msgspec's own limit on nesting
        raise Malformed("Failed to parse the request body as JSON: nested too deeply") from None


def _refuse_twins(pairs: list[tuple[str, object]]) -> None:
    """A name given twice means two things at once; the fast decoder would quietly keep the last."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twin = next(name for name in names if names.count(name) > 1)
        raise Invalid(f"Failed to deserialize the JSON body into the target type: duplicate field `{twin}`")


def read_query(request: Request, shape: type[T]) -> T:
    """Decode the query string; unknown parameters are ignored. Raises Malformed."""
    values: dict[str, Any] = {}
    for name, texts in request.GET.lists():
        if len(texts) > 1 and name in shape.__struct_fields__:  # type: ignore[attr-defined]
            raise Malformed(f"Failed to deserialize query string: duplicate field `{name}`")
        values[name] = texts[0]
    try:
        return msgspec.convert(values, type=shape, strict=False)
    except msgspec.ValidationError as error:
        raise Malformed(f"Failed to deserialize query string: {error}") from None
