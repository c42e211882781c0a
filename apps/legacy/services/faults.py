"""What the migration says of what went wrong: one line that tells what to do next, and the exit code it documents."""

import sqlite3
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as OwnError

from memoria.errors import Conflict, MemoriaError, Retryable

REFUSED, PARTIAL, MISMATCH, LOCKED = 3, 4, 5, 6
# MySQL: cannot connect, gone away, lost in a query, killed, shut down, too many connections, waited too long.
_LOST = frozenset((1040, 1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013))
_AGAIN = "what has arrived stays: repeat the command"


@dataclass(frozen=True, slots=True)
class Fault:
    code: int
    text: str


def fault(error: BaseException) -> Fault | None:
    """None for what nobody foresaw. The old database is read by its driver, our own through Django, which tells them
    apart.
    """
    if isinstance(error, Conflict):
        return Fault(LOCKED, str(error))
    if isinstance(error, Retryable):
        return Fault(PARTIAL, f"{error}; {_AGAIN}")
    if isinstance(error, MemoriaError | ImproperlyConfigured):
        return Fault(REFUSED, str(error))
    said = said_by(error)
    if isinstance(error, OwnError):
        return Fault(PARTIAL, f"this server's own database does not answer ({said}); {_AGAIN}")
    if isinstance(error, sqlite3.Error):
        if "locked" in said or "busy" in said:
            return Fault(
                PARTIAL, f"the old database is locked by somebody who writes to it ({said}); {_AGAIN}"
            )
        return Fault(
            REFUSED, f"the old database cannot be read ({said}): restore the file or name another one"
        )
    if type(error).__module__.startswith("MySQLdb"):
        if error.args and error.args[0] in _LOST:
            return Fault(PARTIAL, f"the old database does not answer any more ({said}); {_AGAIN}")
        return Fault(REFUSED, f"the old database refuses to be read ({said}): see what the account may do")
    return None


def said_by(error: BaseException) -> str:
    """The driver's words in one line. They name accounts and hosts, never passwords."""
    return " ".join(" ".join(map(str, error.args)).split())[:200] or type(error).__name__
