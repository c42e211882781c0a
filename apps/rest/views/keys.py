"""API keys: /auth/keys."""

import msgspec
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors, services
from apps.accounts.callers import Caller
from apps.accounts.selectors import KeyRecord
from apps.rest.base import CallerView, no_content
from apps.rest.bodies import Body, read_body
from apps.rest.openapi import describe
from memoria.errors import Forbidden, NotFound
from memoria.times import from_naive_utc, naive_utc


class CreateKeyBody(Body):
    user_id: str
    name: str
    group_id: str | None = None
    """There are no groups: a key for one is refused."""
    expires_at: str | None = None
    """YYYY-MM-DD HH:MM:SS in UTC."""


class Key(msgspec.Struct, kw_only=True):
    """A key without its secret."""

    key_id: str
    user_id: str
    group_id: None = None
    name: str
    key_prefix: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class NewKey(Key, kw_only=True):
    """A key with its secret, which is never shown again."""

    raw_key: str


EXAMPLE = {
    "key_id": "6d0bb0a5-7a3c-4d56-9a53-55e0f5c1a2b3",
    "user_id": "u-maria",
    "group_id": None,
    "name": "laptop",
    "key_prefix": "sk-1a2b3c4d5",
    "created_at": "2026-05-02 08:15:30.120000",
    "expires_at": None,
    "last_used_at": None,
}


def _fields(record: KeyRecord) -> dict[str, str | None]:
    def when(moment: object) -> str | None:
        return naive_utc(moment) if moment is not None else None  # type: ignore[arg-type]

    return {
        "key_id": record.key_id,
        "user_id": record.user_id,
        "name": record.name,
        "key_prefix": record.key_prefix,
        "created_at": when(record.created_at),
        "expires_at": when(record.expires_at),
        "last_used_at": when(record.last_used_at),
    }


def _own_key(caller: Caller, key_id: str) -> KeyRecord:
    """The key, if it is the caller's or the caller is a master."""
    record = selectors.key_get(key_id=key_id)
    if not caller.is_master and record.user_id != caller.user_id:
        raise Forbidden("Not your key")
    return record


class KeysView(CallerView):
    @describe(
        summary="Create a key for a user (master key only)",
        body=CreateKeyBody,
        answer=NewKey,
        status=201,
        errors=(404,),
        example={"user_id": "u-maria", "name": "laptop"},
        answer_example={**EXAMPLE, "raw_key": "sk-1a2b3c4d5e6f708192a3b4c5d6e7f809"},
    )
    def post(self, request: Request) -> Response:
        body = read_body(request, CreateKeyBody)
        self.caller.require_master()
        if body.group_id is not None:  # a personal key instead would be a nasty surprise
            raise NotFound(f"Group not found: {body.group_id}")
        expires_at = from_naive_utc(body.expires_at, "expires_at") if body.expires_at is not None else None
        created = services.key_create(
            user_id=body.user_id, name=body.name, expires_at=expires_at, now=timezone.now()
        )
        fields = {**_fields(created.record), "expires_at": body.expires_at}
        return Response(NewKey(**fields, raw_key=created.raw_key), status=201)  # type: ignore[arg-type]

    @describe(summary="The caller's active keys, newest first", answer=list[Key], answer_example=[EXAMPLE])
    def get(self, request: Request) -> Response:
        records = selectors.key_list(user_id=self.caller.user_id)
        return Response([Key(**_fields(record)) for record in records])  # type: ignore[arg-type]


class KeyView(CallerView):
    @describe(summary="One key", answer=Key, errors=(404,), answer_example=EXAMPLE)
    def get(self, request: Request, key_id: str) -> Response:
        record = _own_key(self.caller, key_id)
        if not record.is_active:
            raise NotFound("Key not found")
        return Response(Key(**_fields(record)))  # type: ignore[arg-type]

    @describe(summary="Revoke a key; it is refused at once", status=204, errors=(404,))
    def delete(self, request: Request, key_id: str) -> Response:
        _own_key(self.caller, key_id)
        services.key_revoke(key_id=key_id)
        return no_content()


class RotateKeyView(CallerView):
    @describe(
        summary="Replace a key; the old one is refused at once", answer=NewKey, status=201, errors=(404,)
    )
    def put(self, request: Request, key_id: str) -> Response:
        _own_key(self.caller, key_id)
        created = services.key_rotate(key_id=key_id, now=timezone.now())
        return Response(NewKey(**_fields(created.record), raw_key=created.raw_key), status=201)  # type: ignore[arg-type]
