"""Reading the old shared database, and nothing else: both engines are opened so that they refuse writes."""

from apps.legacy.source.base import Source
from apps.legacy.source.mysql import SERVER_NAMES, MysqlSource, grants_reading, server_identity
from apps.legacy.source.reading import (
    branch_rows,
    branch_table,
    count_by_user,
    fingerprint,
    live_branches,
    log_count,
    log_rows,
    rows_of,
    stats_rows,
    user_rows,
)
from apps.legacy.source.sqlite import SqliteSource
from apps.legacy.source.tables import COLUMNS, COPIED, REQUIRED, SKIPPED, SKIPPED_PREFIXES
from apps.legacy.source.values import BATCH, Row, as_shown, as_text, parts
from config.env import database

__all__ = [
    "BATCH",
    "COLUMNS",
    "COPIED",
    "REQUIRED",
    "SERVER_NAMES",
    "SKIPPED",
    "SKIPPED_PREFIXES",
    "Row",
    "Source",
    "as_shown",
    "as_text",
    "branch_rows",
    "branch_table",
    "count_by_user",
    "fingerprint",
    "grants_reading",
    "live_branches",
    "log_count",
    "log_rows",
    "open_source",
    "parts",
    "rows_of",
    "server_identity",
    "stats_rows",
    "user_rows",
]


def open_source(url: str) -> Source:
    """Open the old database for reading. Raises Invalid, without the password, where that fails."""
    place = database("--legacy-url", url)
    return SqliteSource(place.name) if place.engine == "sqlite" else MysqlSource(place)
