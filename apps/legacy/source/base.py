"""What every engine of an old database can be asked."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from apps.legacy.source.values import Row


class Source(Protocol):
    """An open old database. Not shared between threads."""

    label: str
    is_mysql: bool

    def tables(self) -> dict[str, list[str]]:
        """Tables and their columns."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[list[Row]]:
        """Rows as dictionaries, a batch at a time, streamed."""
        ...

    def size_bytes(self) -> int: ...

    def server(self) -> str:
        """The engine and its version."""
        ...

    def identity(self) -> str:
        """What the database says of itself, the same under every spelling of its URL; "" where it says nothing."""
        ...

    def name(self, identifier: str) -> str: ...

    def bytewise(self, column: str) -> str:
        """The column compared byte by byte, whatever its collation."""
        ...

    def equal(self, left: str, right: str, *, tables: tuple[str, str]) -> str:
        """The condition that two qualified columns of these tables are equal, whatever their collations; an index on
        the left one can be used."""
        ...

    def reads_everything(self) -> bool:
        """Whether the account may read every table: those that it may not look as if they were not there."""
        ...

    def checksum(self, columns: Sequence[str]) -> str:
        """An aggregate over rows that does not depend on their order: any changed value changes it. `columns` may be
        qualified, and are quoted here."""
        ...

    def close(self) -> None: ...
