"""Names and identifiers: the only module that derives or validates user ids, database names and SQL
identifiers.
"""

import hashlib
import re
from datetime import datetime
from pathlib import PurePosixPath

from memoria.errors import Invalid

DATABASE_NAME = re.compile(r"\Amem_u_[0-9a-f]{16}\Z")
SQL_IDENTIFIER = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
MEMORY_ID = re.compile(r"\A[0-9a-f]{32}\Z")

USER_ID_LENGTH = 64
DEFAULT_USER_ID = "default"
# Prefixes that other kinds of scope own; a person with such an id could be taken for one of them.
RESERVED_USER_ID_PREFIXES = ("grp_", "group:")

KEY_PREFIX_LENGTH = 12


def checked_user_id(user_id: str) -> str:
    """Return the id unchanged, or raise Invalid: ids are compared byte by byte, never trimmed or folded."""
    if not user_id:
        raise Invalid("user_id must not be empty")
    if len(user_id) > USER_ID_LENGTH:
        raise Invalid(f"user_id exceeds maximum length of {USER_ID_LENGTH} characters")
    if "\0" in user_id or not is_encodable(user_id):
        raise Invalid("user_id must be valid text without NUL characters")
    if user_id.startswith(RESERVED_USER_ID_PREFIXES):
        raise Invalid("user_id must not start with a reserved prefix (grp_, group:)")
    return user_id


def is_encodable(text: str) -> bool:
    """Whether the text has a UTF-8 form; lone surrogates, which JSON can spell, have none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def database_name(user_id: str, attempt: int = 0) -> str:
    """Derive the name of a user's database; attempts above 0 give the alternatives for a taken name."""
    salt = f"\0{attempt}" if attempt else ""
    return f"mem_u_{hashlib.sha256((user_id + salt).encode()).hexdigest()[:16]}"


def template_name(schema_fingerprint: str) -> str:
    """Name the empty database that new ones are copied from; it matches the pattern of user databases on
    purpose, so that a privilege on that pattern is all the server has to grant."""
    return f"mem_u_0000{schema_fingerprint[:12]}"


def checked_database_name(name: str) -> str:
    """Return the name, or raise ValueError: only such names may reach DDL, an alias or a path."""
    if not DATABASE_NAME.match(name):
        raise ValueError("not the name of a user database")
    return name


def database_path(name: str) -> PurePosixPath:
    """Place a user's SQLite file below the data directory, in one of 256 folders."""
    return PurePosixPath("users", checked_database_name(name)[-2:], f"{name}.sqlite3")


def quoted_identifier(name: str, quote: str) -> str:
    """Quote a table or column name for SQL, refusing anything that is not a plain identifier."""
    if not SQL_IDENTIFIER.match(name):
        raise ValueError("not a plain SQL identifier")
    return f"{quote}{name}{quote}"


def owner_mark(database: str) -> str:
    """The part of a database's name that its memory ids carry: 8 hex digits."""
    return checked_database_name(database)[6:14]


def mark_of(memory_id: str) -> str | None:
    """The owner mark in a memory id, if it may have one: ids made elsewhere carry chance digits there."""
    return memory_id[17:25] if MEMORY_ID.match(memory_id) else None


def memory_ids(now: datetime, randomness: bytes, mark: str, count: int = 1) -> list[str]:
    """Make `count` time-ordered ids (UUID version 7, RFC 9562 method 3, as 32 hex digits), ascending in the list.

    The microseconds of `now` fill the sub-millisecond field, the owner's mark 32 of the random bits, so that an
    administrator finds the owner of an id without asking every database. `randomness` is 4 fresh random bytes.
    """
    milliseconds, rest = divmod(int(now.timestamp() * 1_000_000), 1000)
    head = f"{milliseconds:012x}7{rest * 4096 // 1000:03x}8{mark}"
    tail = int.from_bytes(randomness, "big") & 0x7FFFFFF
    return [f"{head}{tail + i:07x}" for i in range(count)]


def key_hash(raw_key: str) -> str:
    """Hash an API key for storage and look-up. The key is 122 random bits, so a fast hash is safe."""
    return hashlib.sha256(raw_key.encode()).hexdigest()
