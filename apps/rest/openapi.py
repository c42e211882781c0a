"""The OpenAPI document: msgspec shapes become components, each view says what it takes and answers."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema

F = TypeVar("F", bound=Callable[..., Any])

REF = "#/components/schemas/{name}"
DESCRIPTIONS = {
    400: "The request could not be read.",
    401: "No valid key.",
    403: "Not allowed, or blocked by the content policy.",
    404: "No such thing in the caller's database.",
    409: "Contradicts the present state.",
    410: "The user was deleted.",
    413: "The body is over 2 MiB.",
    415: "The body is not JSON.",
    422: "A value is not acceptable.",
    429: "The key used up its requests; see Retry-After.",
    503: "Busy or down; see Retry-After.",
}

_shapes: dict[str, Any] = {}


class ItemProblem(msgspec.Struct):
    index: int
    """The item's place in the batch, from 0."""
    detail: str
    code: str


class Problem(msgspec.Struct):
    """Every error."""

    detail: str
    """What is wrong and what to do, in words."""
    code: str
    """The same as a slug."""
    items: list[ItemProblem] | msgspec.UnsetType = msgspec.UNSET
    """For a batch: everything that is wrong with it, item by item. Nothing of it was stored."""


class Schema(AutoSchema):
    """Names operations by method and path, tags them by the first telling part of the path."""

    def get_operation_id(self) -> str:
        parts = [
            part.strip("{}") if part[0] != "{" else f"by_{part[1:-1]}"
            for part in self.path.split("/")
            if part
        ]
        return "_".join([self.method.lower(), *parts]).replace("-", "_")

    def get_description(self) -> str:
        return getattr(self.view, self.method.lower()).__doc__ or ""

    def get_tags(self) -> list[str]:
        parts = [part for part in self.path.split("/") if part and not part.startswith("{")]
        return [parts[1] if len(parts) > 1 and parts[0] in ("v1", "auth") else parts[0]]


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "apps.rest.authentication.BearerAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key (sk-…) or the master key."}


def _reference(shape: Any) -> dict[str, Any]:
    """The schema of a shape; a tuple stands for one of several."""
    if isinstance(shape, tuple):
        return {"anyOf": [_reference(each) for each in shape]}
    (schema,), components = msgspec.json.schema_components([shape], ref_template=REF)
    _shapes.update(components)
    return dict(schema)


def describe(
    *,
    summary: str,
    answer: Any = None,
    status: int = 200,
    body: Any = None,
    query: Any = None,
    errors: tuple[int, ...] = (),
    example: Any = None,
    answer_example: Any = None,
    public: bool = False,
) -> Callable[[F], F]:
    """Document one operation; `example` is a request body, `answer_example` its answer."""
    common = () if public else (401, 403, 410, 429, 503)
    reading = (400, 413, 415, 422) if body is not None else (400,) if query is not None else ()
    responses: dict[Any, Any] = (
        {(status, "application/json"): _reference(answer)} if answer is not None else {}
    )
    if answer is None:
        responses[status] = None
    for code in sorted({*common, *reading, *errors}):
        responses[code, "application/json"] = {**_reference(Problem), "description": DESCRIPTIONS[code]}
    examples = []
    if example is not None:
        examples.append(OpenApiExample("request", value=example, request_only=True))
    if answer_example is not None:
        examples.append(
            OpenApiExample("answer", value=answer_example, response_only=True, status_codes=[str(status)])
        )
    return extend_schema(
        summary=summary,
        request={"application/json": _reference(body)} if body is not None else None,
        responses=responses,
        parameters=_parameters(query) if query is not None else None,
        examples=examples,
        auth=[] if public else None,
    )


def _parameters(query: Any) -> list[OpenApiParameter]:
    (schema,), components = msgspec.json.schema_components([query], ref_template=REF)
    properties = components[schema["$ref"].rsplit("/", 1)[1]]["properties"]
    return [
        OpenApiParameter(name, type=_without_null(spec), location=OpenApiParameter.QUERY)
        for name, spec in properties.items()
    ]


def _without_null(spec: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is absent rather than null."""
    options = [option for option in spec.get("anyOf", []) if option != {"type": "null"}]
    if not options:
        return spec
    return {key: value for key, value in spec.items() if key not in ("anyOf", "default")} | options[0]


def add_shapes(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Postprocessing hook: put the referenced shapes among the components."""
    result.setdefault("components", {}).setdefault("schemas", {}).update(sorted(_shapes.items()))
    return result
