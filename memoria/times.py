"""The spellings of time that clients meet. All times are UTC; nothing here knows what time it is."""

import re
from datetime import UTC, datetime

from memoria.errors import Invalid

# datetime.fromisoformat reads more spellings than RFC 3339 has: week dates, no separators, no seconds.
RFC3339 = re.compile(r"\A\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)


def rfc3339(moment: datetime) -> str:
    """2026-05-02T08:15:30.120000+00:00; no fraction when it is zero, else six digits."""
    return moment.astimezone(UTC).isoformat()


def naive_utc(moment: datetime) -> str:
    """2026-05-02 08:15:30.120000, the spelling of keys, groups and tasks."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def from_rfc3339(text: str, what: str) -> datetime:
    """Read a timestamp that carries its offset. Raises Invalid."""
    try:
        if RFC3339.match(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid(f"Validation error: {what} must be an RFC 3339 timestamp such as 2026-05-02T08:15:30Z")


def from_naive_utc(text: str, what: str) -> datetime:
    """Read 2026-05-02 08:15:30 as UTC; a timestamp with an offset is accepted too. Raises Invalid."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"Validation error: {what} must be 'YYYY-MM-DD HH:MM:SS' (UTC)") from None
