"""The rules for what a structured reader may ask for; the texts are those clients of the earlier server know."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from memoria.drafts import checked_text, checked_type
from memoria.errors import Invalid

METADATA_KEYS = 16
METADATA_KEY_BYTES = 64
METADATA_VALUE_BYTES = 1024
QUERY_BYTES = 4096

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def checked_limit(limit: int, most: int) -> int:
    if not 1 <= limit <= most:
        raise Invalid(f"limit must be between 1 and {most}")
    return limit


def checked_metadata_filter(wanted: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Equality with texts, numbers and booleans of top-level keys. Raises Invalid."""
    prefix = "Validation error: extra_metadata_filter"
    if len(wanted) > METADATA_KEYS:
        raise Invalid(f"{prefix} must not have more than {METADATA_KEYS} keys")
    for key, value in wanted.items():
        if not _KEY.fullmatch(key) or len(key) > METADATA_KEY_BYTES:
            raise Invalid(
                f"{prefix} keys must match [A-Za-z_][A-Za-z0-9_]* and be at most {METADATA_KEY_BYTES} bytes long"
            )
        if not isinstance(value, str | int | float | bool):
            raise Invalid(f"{prefix} value of '{key}' must be a string, number or boolean")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise Invalid(f"{prefix} value of '{key}' must fit into 64 bits")
        if isinstance(value, str):
            checked_text(value, f"extra_metadata_filter value of '{key}'")
        if len(json.dumps(value, ensure_ascii=False).encode()) > METADATA_VALUE_BYTES:
            raise Invalid(f"{prefix} value of '{key}' must not exceed {METADATA_VALUE_BYTES} bytes")
    return dict(wanted)


def checked_given(text: str | None, name: str) -> str | None:
    """A selector that may be left out but not be blank."""
    if text is not None and not text.strip():
        raise Invalid(f"{name} must not be empty when provided")
    return None if text is None else checked_text(text, name)


def checked_types(names: Sequence[str] | None, *, blank: str, may_be_empty: bool) -> tuple[str, ...]:
    """Memory types, each once; `blank` is what is said of a blank one."""
    if names is None:
        return ()
    if any(not name.strip() for name in names) or (not names and not may_be_empty):
        raise Invalid(blank)
    return tuple(dict.fromkeys(checked_type(name.strip()) for name in names))


def checked_fulltext(query: str) -> str:
    if len(query.encode(errors="replace")) > QUERY_BYTES:
        raise Invalid(f"Validation error: fulltext query must not exceed {QUERY_BYTES} bytes")
    if not re.search(r"\w", query):
        raise Invalid(
            "Validation error: fulltext query must contain at least one Unicode letter, number, or underscore"
        )
    return query
