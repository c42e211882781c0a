"""Every error a caller can cause or meet, with the text the caller reads and a slug for programs.

The text is complete: clients of the earlier server match on it, so prefixes such as "Validation error: " are
written where the error is raised. Doors map classes to status codes (apps/rest/errors.py) and never edit
texts.
"""

from dataclasses import dataclass


class MemoriaError(Exception):
    """Base of all anticipated errors; `str(error)` is safe to show to the caller."""

    code = "internal"
    faults: "tuple[Fault, ...]" = ()
    """Where several things were sent at once: all that is wrong with them, this error being the first."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one of several things."""

    place: int
    error: MemoriaError


class Malformed(MemoriaError):
    """The request could not be read at all (broken JSON, undecodable query string)."""

    code = "malformed"


class Unauthenticated(MemoriaError):
    """No credentials, or credentials that are not valid now."""

    code = "unauthenticated"


class Forbidden(MemoriaError):
    """The caller is known and may not do this."""

    code = "forbidden"


class Blocked(Forbidden):
    """The content holds a secret or personal data that the policy refuses to keep."""

    code = "blocked"


class NotFound(MemoriaError):
    """The thing does not exist for this caller; says nothing about other users."""

    code = "not_found"


class NoDatabase(NotFound):
    """Something was to be written for a user who has no database yet; nothing was."""


class Gone(MemoriaError):
    """The user was deleted, or is being deleted."""

    code = "gone"


class Conflict(MemoriaError):
    """The request contradicts the present state."""

    code = "conflict"


class TooLarge(MemoriaError):
    """The body is over the size limit."""

    code = "too_large"


class UnsupportedMediaType(MemoriaError):
    """The body is not JSON."""

    code = "unsupported_media_type"


class Invalid(MemoriaError):
    """The request was read but a value is not acceptable."""

    code = "invalid"


class Retryable(MemoriaError):
    """Try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyRequests(Retryable):
    """The key used up its requests of the present window."""

    code = "rate_limited"


class Unavailable(Retryable):
    """A part the request needs is busy or down; nothing was changed."""

    code = "unavailable"


class Refused(Unavailable):
    """An endpoint does not take what it was asked about; asked again it would say so again."""


class IsolationError(MemoriaError):
    """Code tried to leave the open user database. A defect of ours, never the caller's doing."""

    code = "isolation"


class NoUserScope(IsolationError):
    """User data was touched while no user database was open."""


class CrossUserAccess(IsolationError):
    """A row of one user was used while another user's database was open."""


class WrongOwner(IsolationError):
    """The owner marker inside a database names somebody else."""
