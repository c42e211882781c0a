"""An old database made up for tests, rehearsals and measurements: every table, and the oddities of real ones."""

import json
import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from apps.legacy.old_schema import MEMORIES, TABLES
from config.env import database
from memoria.errors import Conflict
from memoria.naming import database_name, key_hash

MOST_BRANCHES = 20
START = datetime(2024, 1, 1, 8, 0, 0, 123456)  # noqa: DTZ001  as the engines store it: UTC without saying so
BRANCHED = START + timedelta(days=700)
"""After the last memory of a million, one a minute, and before the rows that were written since."""
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
    "team/../ops//",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f680",
    "\U00020bb7" * 64,
)
TEXTS = (
    "Prefers dark roast coffee, number {n}",
    "用户喜欢在早上喝绿茶 {n}",
    "Deploys service-{n} v2.{n}.1 to host db{n}.internal on Fridays 🚀",
    'It\'s a \\ backslash, a "quote", a 100% sign and a\nnew line {n}',
    "Long note {n}: " + "the quarterly report needs the figures of all regions. " * 40,
    "\u05de\u05e2\u05d3\u05d9\u05e3 \u05e7\u05e4\u05d4 {n} \u202e\u0628\u062f\u0648\u0646 \u0633\u0643\u0631",
    "𠮷野家 number {n}, a family of emoji 👩\u200d👩\u200d👧 and letters e\u0301 put together",
    "controls \x01\x1b[0m\x7f\u200b\u2028 and\ttabs {n}, blanks at the end   ",
)
LONGEST = "the figures of 所有地区 for the quarter, once more; " * 1_100
"""Nearly what a TEXT of MySQL holds, 65,535 bytes."""


class Writer:
    """Writes to an old database as the old server did."""

    def __init__(self, url: str) -> None:
        place = database("--url", url)
        self.is_sqlite = place.engine == "sqlite"
        self.connection: Any
        if self.is_sqlite:
            Path(place.name).parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(place.name, timeout=30)
            self.connection.execute("PRAGMA synchronous = OFF")  # what is made up can be made again
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

    def create(self, table: str) -> None:
        """Make a table; branches look like the memories they were cloned from."""
        shape = TABLES.get(table, MEMORIES)
        self.execute(shape.sqlite(table) if self.is_sqlite else shape.mysql(table))
        if self.is_sqlite and any(key.startswith("user_id") for key in shape.keys):
            self.execute(f"CREATE INDEX {table}_user ON {table} (user_id)")

    def insert(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        shape = TABLES.get(table, MEMORIES)
        made = [[self._value(v, n in shape.json) for n, v in enumerate(row)] for row in rows]
        if made:
            marks = ", ".join(["?" if self.is_sqlite else "%s"] * len(made[0]))
            with closing(self.connection.cursor()) as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", made)

    def _value(self, value: Any, is_json: bool) -> Any:
        if self.is_sqlite:
            return str(value) if isinstance(value, datetime) else value
        return "null" if is_json and value == "" else value  # their JSON is never blank

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
        listed = (
            "SELECT name FROM sqlite_master WHERE name = %s" if writer.is_sqlite else "SHOW TABLES LIKE %s"
        )
        if writer.execute(listed, ["mem_memories"]):
            raise Conflict("there is an old database already")
        for table in TABLES:
            writer.create(table)
        names = user_names(users)
        for number, user_id in enumerate(names):
            branch = "main" if number % _between_branches(users) else "work"
            _user(writer, random.Random(f"{seed}:{number}"), number, user_id, branch, memories, dim)  # noqa: S311
            writer.commit()
        for number in range(0, users, _between_branches(users)):
            _branch(writer, number, names[number])
        if memories and users:
            _early_branch(writer, names[0])
        _shared(writer, names)
        writer.commit()
    finally:
        writer.close()


def _between_branches(users: int) -> int:
    """Every third user has a branch, and of many users fewer: a branch is a copy of everybody's rows."""
    return max(3, users // MOST_BRANCHES)


def memory_row(rng: random.Random, memory_id: str, user_id: str, n: int, dim: int) -> list[Any]:
    """One memory as the old server keeps it."""
    at = START + timedelta(minutes=n, microseconds=n)
    return [
        memory_id,
        user_id,
        None if n % 3 else "agent-1",
        "" if n % 4 else f"subject-{n % 5}",
        rng.choice(("semantic", "profile", "episodic", "procedural", "working", "tool_result")),
        rng.choice(TEXTS).format(n=n),
        _vector(rng, n, dim),
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


def _vector(rng: random.Random, n: int, dim: int) -> str | bytes | None:
    """Numbers as text or as bytes; every seventh memory has none, in one of the ways to have none."""
    if n % 7 == 0 or not dim:
        return (None, "", "[]")[n // 7 % 3]
    numbers = np.random.default_rng(rng.getrandbits(32)).normal(size=dim).round(4)
    if n % 2:
        return json.dumps(numbers.tolist())
    raw = bytearray(numbers.astype("<f4").tobytes())
    if n == 4:
        raw[0] = ord("[")  # as one in 256 begins, like a text
    return bytes(raw)


def _user(
    writer: Writer, rng: random.Random, number: int, user_id: str, branch: str, memories: int, dim: int
) -> None:
    ids = [f"{number:08x}{n:08x}{rng.getrandbits(64):016x}" for n in range(memories)]
    for start in range(0, memories, 1000):
        part = range(start, min(memories, start + 1000))
        rows = [memory_row(rng, ids[n], user_id, n, dim) for n in part]
        for n, row in zip(part, rows, strict=True):
            if n % 10 == 9:
                row[11] = ids[n - 1]  # superseded by another
            if (number, n) == (1, 6):
                row[5] = LONGEST
        writer.insert("mem_memories", rows)
        writer.insert(
            "mem_memories_stats",
            [[ids[n], n % 9, START if n % 4 else None, n % 3, 0, 0, n % 5, None] for n in part if n % 2 == 0],
        )
        writer.insert("mem_edit_log", [_edit(user_id, ids[n], n) for n in part])
        _linked(writer, number, user_id, {n: ids[n] for n in part})
    _around(writer, number, user_id, branch)


def _edit(user_id: str, memory_id: str, n: int) -> list[Any]:
    operation = ("inject", "correct", "purge", "governance:archive_working")[n % 4]
    payload, reason = '{"type": "x"}' if n % 2 else None, "store_memory" if n % 3 else None
    before = f"mem_snap_{n}" if n % 8 == 2 else None
    at = START + timedelta(minutes=n)
    return [f"e{memory_id[1:]}", user_id, memory_id, operation, payload, reason, before, at, user_id]


def _linked(writer: Writer, number: int, user_id: str, ids: dict[int, str]) -> None:
    """What every fifth memory is about: entities, links by hand, by a model and by rules, graph, feedback."""
    every: dict[str, list[list[Any]]] = {}
    for n, memory_id in ((n, ids[n]) for n in ids if n % 5 == 0):
        entity, node = f"ent{number:06x}{n:08x}", f"node{number:06x}{n:08x}"
        source = ("manual", "llm", "regex")[n // 5 % 3]
        rows: dict[str, list[Any]] = {
            "mem_entities": [entity, user_id, f"project {n}", f"Project {n}", "project", None, START],
            "mem_memory_entity_links": [memory_id, entity, user_id, source, 1.0, START],
            "mem_entity_links": [
                f"l{memory_id[1:]}",
                user_id,
                memory_id,
                f"Straße {n}",
                "place",
                "manual",
                START,
            ],
            "mem_retrieval_feedback": [
                f"f{memory_id[1:]}",
                user_id,
                memory_id,
                ("useful", "irrelevant", "outdated", "wrong")[n // 5 % 4],
                "found 🚀" if n % 2 else None,
                START + timedelta(minutes=n),
            ],
            "memory_graph_nodes": [
                *(node, user_id, "semantic", f"node {n}", None, None, memory_id, None, 0.75, "T3", 0.1, None),
                *(None, None, n % 3, 0, 1, None, START),
            ],
            "memory_graph_edges": [node, f"node{number:06x}{n + 5:08x}", "temporal", 0.5, user_id],
        }
        for table, row in rows.items():
            every.setdefault(table, []).append(row)
    for table, made in every.items():
        writer.insert(table, made)


def _around(writer: Writer, number: int, user_id: str, branch: str) -> None:
    """What a user has one of, or a few."""
    secret, old = raw_key(user_id), f"sk-old-{number}"
    nowhere = branch if number % 10 != 4 else "nowhere"  # a checked-out branch that is gone
    rows: dict[str, list[list[Any]]] = {
        "mem_user_state": [[user_id, nowhere, START]],
        "mem_tool_usage": [[user_id, tool, START] for tool in ("cli", "memory_store")],
        "mem_governance_cooldown": [[user_id, "consolidate", START]],
        "mem_user_retrieval_params": [[user_id, 0.2, 100.5, 0.1, START]],
        "mem_api_keys": [
            [
                f"key-{number:08}",
                user_id,
                None,
                "old key",
                key_hash(secret),
                secret[:12],
                1,
                START,
                None,
                None,
            ],
            [f"key-{number:08}r", user_id, None, "revoked", key_hash(old), old[:12], 0, START, START, START],
        ],
        "mem_snapshots": [
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
        "mem_user_registry": [[user_id, database_name(user_id), "active", START, START]],
        "mem_api_call_log": [[None, user_id, "GET", "/v1/memories", 200, 12, START, 1, None]],
        "mem_metrics_user_state": [[user_id, 63, 1, 5, START, 4, START, None, None, None, None, START]],
        "mem_metrics_user_rollups": [[user_id, "memory_total", "__total__", 7, 4, START]],
        "srv_user_stats": [[user_id, 7, 6, 1, 2, 9, START]],
        "srv_user_metric_detail": [[user_id, "trust_tier", "T1", 7]],
        "srv_user_api_stats": [[user_id, 9, 3, 0, None, START]],
    }
    for table, made in rows.items():
        writer.insert(table, made)


def _shared(writer: Writer, names: Sequence[str]) -> None:
    """What belongs to nobody, or to several."""
    group, key, members = "grp_made", "sk-of-a-group", names[:2]
    day, package = START.strftime("%Y-%m-%d"), ("plain:ranker", "1.0.0")
    rows: dict[str, list[list[Any]]] = {
        "mem_groups": [
            [group, "Everybody", "mem_g_made", owner, "active", START, START] for owner in names[:1]
        ],
        "mem_group_members": [[group, member, None, "member", 1, START, None] for member in members],
        "mem_api_keys": [
            [f"key-{group}", member, group, "of a group", key_hash(key), key[:12], 1, START, None, None]
            for member in names[:1]
        ],
        "mem_api_call_log": [[None, "visitor", "POST", "/v1/memories", 401, 2, START, 0, -32000]],
        "mem_memories_stats": [["0" * 32, 3, START, 0, 0, 0, 0, None]],  # of a memory that is gone
        "mem_schema_meta": [["user_schema", 2, START]],
        "mem_distributed_locks": [["governance:hourly", "host:1", START, START + timedelta(minutes=10)]],
        "mem_async_tasks": [["task-1", "host:1", "", "completed", "{}", None, START, START]],
        "mem_governance_runtime_state": [["default", "vector_rebuild", -1, None, START]],
        "mem_plugin_signers": [["made", "ed25519", "AAAA", 1, START, START, "ops"]],
        "mem_plugin_packages": [
            [
                *package,
                "ranker",
                "plain",
                "rhai",
                "{}",
                "payload",
                "0" * 64,
                "AAAA",
                "made",
                "active",
                START,
                "ops",
            ]
        ],
        "mem_plugin_bindings": [["ranker", "default", *package, START, "ops"]],
        "mem_plugin_reviews": [[*package, "approved", 0.9, "fine", START, "ops"]],
        "mem_plugin_binding_rules": [
            [
                "rule-1",
                "ranker",
                "default",
                "*",
                100,
                package[0],
                "any",
                "",
                100,
                None,
                "active",
                START,
                "ops",
            ]
        ],
        "mem_plugin_audit_events": [
            ["event-1", "ranker", "default", "*", *package, "publish", "ok", None, "{}", START, "ops"]
        ],
        "mem_user_memory_config": [["{}", START]],
        "srv_daily_stats": [[day, "memory_stored", 12]],
        "srv_mcp_path_stats": [["/mcp", 3]],
    }
    for table, made in rows.items():
        writer.insert(table, made)


def _branch(writer: Writer, number: int, user_id: str) -> None:
    """A branch as the old server made it: a copy of the whole shared table. Afterwards both sides changed."""
    table = f"br_{number:06}_work"
    writer.create(table)
    writer.execute(f"INSERT INTO {table} SELECT * FROM mem_memories")
    writer.insert(
        "mem_branches",
        [
            [f"b{number}", user_id, "work", table, "active", BRANCHED],
            [f"b{number}x", user_id, "gone", f"br_{number:06}_gone", "deleted", BRANCHED],
        ],
    )
    own = [
        r[0]
        for r in writer.execute(f"SELECT memory_id FROM {table} WHERE user_id = %s ORDER BY 1", [user_id])
    ]
    later = BRANCHED + timedelta(days=1)
    if len(own) > 2:
        writer.execute(
            f"UPDATE {table} SET content = 'changed on the branch', updated_at = %s WHERE memory_id = %s",
            [str(later), own[0]],
        )
        writer.execute(f"DELETE FROM {table} WHERE memory_id = %s", [own[1]])
        writer.execute(
            "UPDATE mem_memories SET content = 'changed on main', updated_at = %s WHERE memory_id = %s",
            [str(later), own[2]],
        )
    for where, mark, text in (
        (table, "ff", "only on the branch"),
        ("mem_memories", "fe", "written on main after the branch was made"),
    ):
        fresh = memory_row(random.Random(number), f"{mark}{number:030x}", user_id, 3, 0)  # noqa: S311
        fresh[5], fresh[14:] = text, [later, later, None]
        writer.insert(where, [fresh])
        writer.insert("mem_memories_stats", [[fresh[0], 4, later, 1, 0, 0, 0, later]])


def _early_branch(writer: Writer, user_id: str) -> None:
    """A branch that was made when few memories were there."""
    made = START + timedelta(minutes=10)
    writer.create("br_000000_early")
    writer.execute(
        "INSERT INTO br_000000_early SELECT * FROM mem_memories WHERE created_at <= %s", [str(made)]
    )
    writer.insert("mem_branches", [["b0e", user_id, "early", "br_000000_early", "active", made]])
