"""An old database made up for tests, rehearsals and measurements: every table, and what real ones have of oddities."""

import json
import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from config.env import database
from memoria.errors import Conflict
from memoria.naming import key_hash

MOST_BRANCHES = 20
START = datetime(2024, 1, 1, 8, 0, 0, 123456)  # noqa: DTZ001  as the engines store it: UTC without saying so
ODD_USERS = (
    "ada",
    "Ada",
    "ada ",
    "x\\",
    "x\\' OR 1=1 -- ",
    "o'brien",
    "100%",
    "用户",
    "caf\u00e9",
    "cafe\u0301",
)
TEXTS = (
    "Prefers dark roast coffee, number {n}",
    "用户喜欢在早上喝绿茶 {n}",
    "Deploys service-{n} v2.{n}.1 to host db{n}.internal on Fridays 🚀",
    'It\'s a \\ backslash, a "quote", a 100% sign and a\nnew line {n}',
    "Long note {n}: " + "the quarterly report needs the figures of all regions. " * 40,
)

_MEMORY = (
    "memory_id VARCHAR(64) NOT NULL PRIMARY KEY, user_id VARCHAR(64) NOT NULL, author_id VARCHAR(64),"
    " subject_id VARCHAR(128), memory_type VARCHAR(20) NOT NULL, content TEXT NOT NULL, embedding MEDIUMTEXT,"
    " session_id VARCHAR(64), source_event_ids TEXT NOT NULL, extra_metadata TEXT, is_active TINYINT NOT NULL DEFAULT 1,"
    " superseded_by VARCHAR(64), trust_tier VARCHAR(10) DEFAULT 'T1', initial_confidence FLOAT DEFAULT 0.95,"
    " observed_at DATETIME(6) NOT NULL, created_at DATETIME(6) NOT NULL, updated_at DATETIME(6)"
)
_COUNTS = ", ".join(f"feedback_{s} INT DEFAULT 0" for s in ("useful", "irrelevant", "outdated", "wrong"))
TABLES = {
    "mem_memories": _MEMORY,
    "mem_memories_stats": "memory_id VARCHAR(64) PRIMARY KEY, access_count INT DEFAULT 0, last_accessed_at DATETIME(6),"
    f" {_COUNTS}, last_feedback_at DATETIME(6)",
    "mem_user_state": "user_id VARCHAR(64) PRIMARY KEY, active_branch VARCHAR(100) NOT NULL, updated_at DATETIME(6)",
    "mem_branches": "id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, name VARCHAR(100), table_name VARCHAR(100),"
    " status VARCHAR(20) DEFAULT 'active', created_at DATETIME(6)",
    "mem_snapshots": "id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, name VARCHAR(100),"
    " snapshot_name VARCHAR(100), extra TEXT, status VARCHAR(20), created_at DATETIME(6)",
    "mem_edit_log": "edit_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, memory_id VARCHAR(64),"
    " operation VARCHAR(64) NOT NULL, payload TEXT, reason TEXT, snapshot_before VARCHAR(64), created_at DATETIME(6),"
    " created_by VARCHAR(64) NOT NULL",
    "mem_retrieval_feedback": "id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, memory_id VARCHAR(64) NOT NULL,"
    " `signal` VARCHAR(16), context TEXT, created_at DATETIME(6)",
    "mem_user_retrieval_params": "user_id VARCHAR(64) PRIMARY KEY, feedback_weight DOUBLE, temporal_decay_hours DOUBLE,"
    " confidence_weight DOUBLE, updated_at DATETIME(6)",
    "mem_entities": "entity_id VARCHAR(32) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, name VARCHAR(200) NOT NULL,"
    " display_name VARCHAR(200), entity_type VARCHAR(20), embedding TEXT, created_at DATETIME(6)",
    "mem_memory_entity_links": "memory_id VARCHAR(64), entity_id VARCHAR(32), user_id VARCHAR(64) NOT NULL,"
    " source VARCHAR(10), weight FLOAT, created_at DATETIME(6), PRIMARY KEY (memory_id, entity_id)",
    "mem_entity_links": "id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, memory_id VARCHAR(64),"
    " entity_name VARCHAR(200), entity_type VARCHAR(50), source VARCHAR(20), created_at DATETIME(6)",
    "mem_tool_usage": "user_id VARCHAR(64), tool_name VARCHAR(128), last_used_at DATETIME(6) NOT NULL,"
    " PRIMARY KEY (user_id, tool_name)",
    "mem_governance_cooldown": "user_id VARCHAR(64), operation VARCHAR(32), last_run_at DATETIME(6) NOT NULL,"
    " PRIMARY KEY (user_id, operation)",
    "mem_api_keys": "key_id VARCHAR(36) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, group_id VARCHAR(64),"
    " name VARCHAR(100) NOT NULL, key_hash VARCHAR(64) NOT NULL, key_prefix VARCHAR(12) NOT NULL,"
    " is_active TINYINT DEFAULT 1, created_at DATETIME(6) NOT NULL, expires_at DATETIME(6), last_used_at DATETIME(6)",
    "mem_schema_meta": "schema_key VARCHAR(64) PRIMARY KEY, schema_version BIGINT, updated_at DATETIME(6)",
    "mem_distributed_locks": "lock_key VARCHAR(128) PRIMARY KEY, holder_id VARCHAR(128)",
    "srv_daily_stats": "dt DATE, metric VARCHAR(64), cnt BIGINT, PRIMARY KEY (dt, metric)",
}


class Writer:
    """Writes to an old database as the old server did."""

    def __init__(self, url: str) -> None:
        place = database("--url", url)
        self.is_sqlite = place.engine == "sqlite"
        self.connection: Any
        if self.is_sqlite:
            Path(place.name).parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(place.name, timeout=30)
        else:
            import MySQLdb

            options = {k: v for k, v in place.options.items() if k in ("unix_socket", "connect_timeout")}
            self.connection = MySQLdb.connect(
                host=place.host,
                port=place.port,
                user=place.user,
                passwd=place.password,
                charset="utf8mb4",
                **options,
            )
            self.execute(
                f"CREATE DATABASE IF NOT EXISTS `{place.name.replace('`', '')}` CHARACTER SET utf8mb4"
            )
            self.connection.select_db(place.name)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(self.connection.cursor()) as cursor:
            if self.is_sqlite:
                cursor.execute(sql.replace("%s", "?"), parameters)
            else:
                cursor.execute(sql, list(parameters) or None)
            return list(cursor.fetchall())

    def create(self, table: str, columns: str) -> None:
        collation = "" if self.is_sqlite else " COLLATE utf8mb4_nopad_bin"
        self.execute(f"CREATE TABLE {table} ({columns}){collation}")

    def insert(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        rows = [[str(v) if isinstance(v, datetime) and self.is_sqlite else v for v in row] for row in rows]
        if rows:
            marks = ", ".join(["?" if self.is_sqlite else "%s"] * len(rows[0]))
            with closing(self.connection.cursor()) as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def commit(self) -> None:
        self.connection.commit()

    def close(self) -> None:
        self.connection.close()


def user_names(count: int) -> list[str]:
    """Odd ids first, plain ones after."""
    return [*ODD_USERS[:count], *(f"user-{n:05}" for n in range(count - len(ODD_USERS)))]


def raw_key(user_id: str) -> str:
    """The API key of a made-up user, in letters that a header can carry."""
    return f"sk-{user_id.encode().hex()}-made-up"


def make_legacy(*, url: str, users: int, memories: int, seed: int, dim: int) -> None:
    """Build the database. Raises Conflict where there is one. `dim` 0 makes no vectors."""
    writer = Writer(url)
    try:
        if not writer.is_sqlite and writer.execute("SHOW TABLES LIKE 'mem_memories'"):
            raise Conflict("there is an old database already")
        try:
            for table, columns in TABLES.items():
                writer.create(table, columns)
                if "user_id VARCHAR(64) NOT NULL" in columns:
                    writer.execute(f"CREATE INDEX {table}_user ON {table} (user_id)")
        except sqlite3.OperationalError:
            raise Conflict("there is an old database already") from None
        names = user_names(users)
        for number, user_id in enumerate(names):
            branch = "main" if number % _between_branches(users) else "work"
            _user(writer, random.Random(f"{seed}:{number}"), number, user_id, branch, memories, dim)  # noqa: S311
            writer.commit()
        for number in range(0, users, _between_branches(users)):
            _branch(writer, number, names[number])
        writer.commit()
    finally:
        writer.close()


def _between_branches(users: int) -> int:
    """Every third user has a branch, and of many users fewer: a branch is a copy of everybody's rows."""
    return max(3, users // MOST_BRANCHES)


def memory_row(rng: random.Random, memory_id: str, user_id: str, n: int, dim: int) -> list[Any]:
    """One memory as the old server keeps it."""
    at = START + timedelta(minutes=n, microseconds=n)
    vector: Any = None
    if dim and n % 7:
        numbers = np.random.default_rng(rng.getrandbits(32)).normal(size=dim).round(4)
        vector = json.dumps(numbers.tolist())
    elif n % 14 == 0:
        vector = ""
    return [
        memory_id,
        user_id,
        None if n % 3 else "agent-1",
        "" if n % 4 else f"subject-{n % 5}",
        rng.choice(("semantic", "profile", "episodic", "procedural")),
        rng.choice(TEXTS).format(n=n),
        vector,
        None if n % 2 else f"session-{n % 9}",
        json.dumps([f"event-{n}"]) if n % 2 else "[]",
        (None, "{}", "", json.dumps({"topic": "日志", "n": n}))[n % 4],
        0 if n % 10 == 9 else 1,
        None,
        f"T{1 + n % 4}",
        0.5,
        at,
        at + timedelta(seconds=1),
        at + timedelta(hours=1) if n % 5 == 0 else None,
    ]


def _user(
    writer: Writer, rng: random.Random, number: int, user_id: str, branch: str, memories: int, dim: int
) -> None:
    ids = [f"{number:08x}{n:08x}{rng.getrandbits(64):016x}" for n in range(memories)]
    for start in range(0, memories, 1000):
        part = range(start, min(memories, start + 1000))
        writer.insert("mem_memories", [memory_row(rng, ids[n], user_id, n, dim) for n in part])
        writer.insert(
            "mem_memories_stats", [[ids[n], n % 9, START, n % 3, 0, 0, 0, None] for n in part if n % 2 == 0]
        )
        writer.insert(
            "mem_edit_log",
            [
                [
                    f"e{ids[n][1:]}",
                    user_id,
                    ids[n],
                    "inject",
                    '{"type": "x"}' if n % 2 else None,
                    "store_memory" if n % 3 else None,
                    None,
                    START + timedelta(minutes=n),
                    user_id,
                ]
                for n in part
            ],
        )
    writer.insert("mem_user_state", [[user_id, branch, START]])
    writer.insert("mem_tool_usage", [[user_id, "cli", START]])
    writer.insert("mem_governance_cooldown", [[user_id, "consolidate", START]])
    writer.insert("mem_user_retrieval_params", [[user_id, 0.2, 100.5, 0.1, START]])
    secret = raw_key(user_id)
    key = [f"key-{number:08}", user_id, None, "old key", key_hash(secret), secret[:12], 1, START, None, None]
    writer.insert("mem_api_keys", [key])
    writer.insert(
        "mem_snapshots",
        [
            [
                f"s{number}a",
                user_id,
                "before",
                f"mem_snap_{number}a",
                '{"memory_count": 3}',
                "deleted",
                START,
            ],
            [f"s{number}b", user_id, "kept", f"mem_snap_{number}b", None, "active", START],
        ],
    )
    for n in range(0, memories, 5):
        entity = f"ent{number:06x}{n:08x}"
        writer.insert(
            "mem_entities", [[entity, user_id, f"project {n}", f"Project {n}", "project", None, START]]
        )
        writer.insert("mem_memory_entity_links", [[ids[n], entity, user_id, "manual", 1.0, START]])
        writer.insert("mem_retrieval_feedback", [[f"f{ids[n][1:]}", user_id, ids[n], "useful", None, START]])


def _branch(writer: Writer, number: int, user_id: str) -> None:
    """A branch as the old server made it: a copy of the whole shared table, then changed by its owner."""
    table = f"br_{number:06}_work"
    writer.create(table, _MEMORY)
    writer.execute(f"INSERT INTO {table} SELECT * FROM mem_memories")
    made = START + timedelta(days=3000)
    writer.insert(
        "mem_branches",
        [
            [f"b{number}", user_id, "work", table, "active", made],
            [f"b{number}x", user_id, "gone", f"br_{number:06}_gone", "deleted", made],
        ],
    )
    own = [
        r[0]
        for r in writer.execute(f"SELECT memory_id FROM {table} WHERE user_id = %s ORDER BY 1", [user_id])
    ]
    later = str(made + timedelta(days=1))
    if len(own) > 2:
        writer.execute(
            f"UPDATE {table} SET content = 'changed on the branch', updated_at = %s WHERE memory_id = %s",
            [later, own[0]],
        )
        writer.execute(f"DELETE FROM {table} WHERE memory_id = %s", [own[1]])
        writer.execute(
            "UPDATE mem_memories SET content = 'changed on main', updated_at = %s WHERE memory_id = %s",
            [later, own[2]],
        )
    fresh = memory_row(random.Random(number), f"ff{number:030x}", user_id, 3, 0)  # noqa: S311
    fresh[5] = "only on the branch"
    writer.insert(table, [fresh])
