"""What does versioning cost at 1,000, 10,000 and 100,000 memories, beside an unversioned table and the prototype?

    .venv/bin/python bench/versions.py
    .venv/bin/python bench/versions.py --engine sqlite --sizes 1000,10000

Main is filled, then changed a fifth as often as it has memories (stores, corrections, purges), with a branch of 240
rows forked before and one after. The unversioned table has the same rows, columns and indexes less what versions
need, is freshly packed (as are both text indexes), and is read with the same code. Without embedding and HTTP.
"design" is section 8 of contract/versioning-design.md: a prototype of 115,000 rows on plain SQL; ours go through the
ORM.
"""

import random
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import Rows, alternating, arguments, each_engine, ms, ratio, set_up
from bench.store_retrieve import sentence

STEP = 1_000
OVERLAY = 240
CHANGES = (100, 1_000, 5_000)
ROLLED_BACK = (10, 100, 1_000)
PROMISE_READ = 1.10
PROMISE_CREATE = 3

# Milliseconds of the prototype: SQLite, MariaDB.
DESIGN = {
    "get by id, main": ("0.008", "0.129"),
    "newest 50, main": ("0.050", "0.267"),
    "one session, main": ("0.084", "0.378"),
    "count by type, main": ("7.57", "18.5"),
    "full text, rare words, main": ("0.240", "0.952"),
    "full text, common words, main": ("13.2", "33.4"),
    "get by id, fresh branch": ("0.012", "0.33"),
    "get by id, stale branch": ("0.012", "0.33"),
    "newest 50, fresh branch": ("1.1", "1.3"),
    "newest 50, stale branch": ("1.2", "4.7"),
    "one session, fresh branch": ("0.11", "0.89"),
    "one session, stale branch": ("0.11", "0.92"),
    "count by type, fresh branch": ("9.5", "22"),
    "count by type, stale branch": ("14.2", "35"),
    "get by id, snapshot": ("0.006", "0.13"),
    "newest 50, snapshot": ("1.0", "4.2"),
    "one session, snapshot": ("0.05", "0.49"),
    "count by type, snapshot": ("13.5", "32"),
    "snapshot": ("0.03", "0.48"),
    "branch": ("0.02", "0.48"),
    "diff of 100": ("0.15", "0.5"),
    "diff of 1000": ("1.7", "4.4"),
    "diff of 5000": ("13", "31"),
    "merge of 100": ("42", "17"),
    "merge of 1000": ("183", "118"),
    "merge of 5000": ("631", "579"),
    "rollback of 10": ("3.4", "3.9"),
    "rollback of 100": ("42", "22"),
    "rollback of 1000": ("262", "150"),
    "undo of 10": ("2.1", "3.1"),
    "undo of 100": ("16", "15"),
    "undo of 1000": ("218", "126"),
}


def main(engine: str, sizes: str, rounds: int) -> None:
    for size in map(int, sizes.split(",")):
        measure(engine, size, rounds)


def measure(engine: str, size: int, rounds: int) -> None:
    """One user of this size, from empty to measured."""
    if not hasattr(measure, "is_set_up"):
        set_up(engine, EMBEDDING_PROVIDER="hash")
        measure.is_set_up = True  # type: ignore[attr-defined]
    from django.apps.registry import Apps
    from django.db.models import Count
    from django.utils import timezone

    from apps.memories.filters import Filters
    from apps.memories.models import OPEN, Memory, MemoryColumns, Revision
    from apps.memories.selectors import memory_list, row_find
    from apps.memories.services.correct import memory_correct
    from apps.memories.services.write import memories_write
    from apps.memories.view import MAIN, View
    from apps.tenancy import sql
    from apps.tenancy.admission import admit
    from apps.tenancy.scope import user_atomic, user_connection, user_database
    from apps.tenancy.services.provision import user_provision
    from apps.versioning.reports import branch_diff
    from apps.versioning.selectors import branch_view, view_resolve
    from apps.versioning.services.branches import branch_create, branch_delete
    from apps.versioning.services.collect import collect
    from apps.versioning.services.merge import branch_merge
    from apps.versioning.services.purge import memories_purge, purge_of
    from apps.versioning.services.rollback import rollback
    from apps.versioning.services.snapshots import snapshot_create, snapshots_delete
    from memoria.drafts import draft
    from memoria.tokens import search_terms

    rng = random.Random(size)
    design_column = ("sqlite", "mariadb").index(engine)
    rows = Rows(
        f"versions, {engine}, {size} memories, median of {rounds}", "what", "ms", "against", "ratio", "design"
    )

    def add(what: str, seconds: float, against: str = "", ratio_to: str = "") -> None:
        rows.add(what, ms(seconds), against, ratio_to, DESIGN.get(what, ("", ""))[design_column])

    def store(count: int, view: View = MAIN) -> list[str]:
        ids: list[str] = []
        while len(ids) < count:
            now = timezone.now()
            texts = [sentence(rng) for _ in range(min(STEP, count - len(ids)))]
            drafts = [draft(content=t, now=now, session_id=f"s{rng.randrange(size // 20)}") for t in texts]
            done = memories_write(
                drafts=drafts,
                view=view,
                actor_id="bench",
                operation="store",
                reason="bench",
                now=now,
                embedder=None,
            )
            ids += [item.memory.memory_id for item in done]
        return ids

    def purge(ids: list[str], view: View = MAIN) -> None:
        memories_purge(wanted=purge_of(memory_ids=ids), view=view, actor_id="bench", now=timezone.now())

    def fork(name: str) -> View:
        branch_create(name=name, actor_id="bench", now=timezone.now())
        return branch_view(name=name)

    def grown(name: str, count: int) -> View:
        """A branch with so many changes: half new, half purged."""
        view = fork(name)
        store(count // 2, view)
        pool = Memory.objects.filter(is_active=True).values_list("memory_id", flat=True)
        purge(rng.sample(list(pool), min(count - count // 2, len(pool) - 1)), view)
        return view

    def storage() -> int:
        """Bytes that the revisions take."""
        if engine == "sqlite":
            sql.query("PRAGMA wal_checkpoint(TRUNCATE)")
            pages = sql.query("PRAGMA page_count")[0][0] - sql.query("PRAGMA freelist_count")[0][0]
            return int(pages) * int(sql.query("PRAGMA page_size")[0][0])
        sql.query("ANALYZE TABLE mem_revisions, mem_memories, mem_edit_log")
        return int(
            sql.query(
                "SELECT SUM(data_length + index_length) FROM information_schema.tables"
                " WHERE table_schema = DATABASE() AND table_name LIKE 'mem\\_%%'"
            )[0][0]
        )

    with user_database(admit(user_provision(user_id=f"bench {size}"))):
        store(size)
        snapshot_create(name="oldest", now=timezone.now())
        stale = grown("stale", OVERLAY)
        active = list(Memory.objects.filter(is_active=True).values_list("memory_id", flat=True))
        rng.shuffle(active)
        for _ in range(size * 7 // 100):
            memory_correct(
                view=MAIN,
                memory_id=active.pop(),
                new_content=sentence(rng),
                reason="bench",
                actor_id="bench",
                now=timezone.now(),
                embedder=None,
            )
        for _ in range(max(size * 5 // 100 // 50, 1)):
            purge([active.pop() for _ in range(min(50, len(active)))])
        store(size * 8 // 100)
        fresh = grown("fresh", OVERLAY)
        then = view_resolve(actor_id="bench", branch="main", at="oldest")

        class Plain(MemoryColumns):
            """The same rows without versions."""

            born, digest = None, None

            class Meta:
                app_label, db_table = "memories", "plain_memories"
                apps = Apps()  # a registry of its own: each size makes this model anew

        plain_table(engine, Plain, sql, user_connection())

        class Unversioned(View):
            def sources(self):  # type: ignore[no-untyped-def]
                return [Plain.objects.all()]

        plain = Unversioned()
        sample = rng.sample(active, min(500, len(active)))
        turn = [0]

        def one() -> str:
            turn[0] += 1
            return sample[turn[0] // 2 % len(sample)]

        def by_type(view: View) -> object:
            found = (
                s.filter(is_active__in=(True,))
                .order_by()
                .values_list("memory_type")
                .annotate(count=Count("*"))
                for s in view.sources()
            )
            return [list(counts) for counts in found]

        def in_session(view: View) -> object:
            session = f"s{turn[0] // 2 % (size // 20)}"
            turn[0] += 1
            return memory_list(view=view, filters=Filters(session_id=session), limit=50)

        reads = {
            "get by id": lambda view: row_find(view=view, memory_id=one()),
            "newest 50": lambda view: memory_list(view=view, filters=Filters(), limit=50),
            "one session": in_session,
            "count by type": by_type,
        }
        for what, read in reads.items():
            few = max(rounds // 10, 10) if what == "count by type" else rounds * 3
            found = alternating(few, plain=lambda: read(plain), main=lambda: read(MAIN))  # noqa: B023
            compared = ratio(found["main"], found["plain"], PROMISE_READ)
            add(f"{what}, main", found["main"], f"unversioned {ms(found['plain'])}", compared)
            views = {"fresh branch": fresh, "stale branch": stale, "snapshot": then}
            for where, view in views.items():
                other = alternating(max(few // 5, 5), it=lambda: read(view))  # noqa: B023
                add(f"{what}, {where}", other["it"])
        for what, words in (
            ("rare", search_terms("word2999 word2500")),
            ("common", search_terms("Ada noted word1 word2")),
        ):
            few = max(rounds // 10, 10)
            found = alternating(
                few,
                plain=lambda: search(engine, sql, "plain_memories", words),  # noqa: B023
                main=lambda: search(engine, sql, "mem_memories", words),  # noqa: B023
            )
            compared = ratio(found["main"], found["plain"], PROMISE_READ)
            add(
                f"full text, {what} words, main", found["main"], f"unversioned {ms(found['plain'])}", compared
            )
        sql.execute("DROP TABLE plain_memories")

        made = [0]

        def name_of(thing: str) -> str:
            made[0] += 1
            return f"{thing}{made[0]}"

        def row_by_hand(table: str) -> None:
            """One row like the last one, in a transaction of its own."""
            columns = [c for c in copies[table] if c != "id"]
            with user_atomic():
                names = ", ".join(sql.quoted(c) for c in columns)
                values = [copies[table][c] for c in columns]
                sql.execute(f"INSERT INTO {table} ({names}) VALUES ({sql.marks(values)})", values)

        def snapshot() -> None:
            snapshot_create(name=name_of("s"), now=timezone.now())

        def create_branch() -> None:
            branch_create(name=name_of("b"), actor_id="bench", now=timezone.now())

        copies: dict[str, dict[str, object]] = {}
        for table in ("mem_snapshots", "mem_branches"):
            with user_connection().cursor() as cursor:
                cursor.execute(f"SELECT * FROM {table} ORDER BY id DESC LIMIT 1")
                names = [column[0] for column in cursor.description]
                copies[table] = dict(zip(names, cursor.fetchone(), strict=True))
                copies[table] |= {
                    "status": "deleted",
                    "live_name": None,
                }  # or it would count towards the limit
        found = alternating(15, ours=snapshot, hand=lambda: row_by_hand("mem_snapshots"))
        compared = ratio(found["ours"], found["hand"], PROMISE_CREATE)
        add("snapshot", found["ours"], f"one row {ms(found['hand'])}", compared)
        snapshots_delete(prefix="s")
        found = alternating(15, ours=create_branch, hand=lambda: row_by_hand("mem_branches"))
        compared = ratio(found["ours"], found["hand"], PROMISE_CREATE)
        add("branch", found["ours"], f"one row {ms(found['hand'])}", compared)
        for number in range(made[0] + 1):
            branch_delete(name=f"b{number}", now=timezone.now())

        for count in CHANGES:
            branch = grown(f"of {count}", count)
            found = alternating(5, diff=lambda: branch_diff(name=branch.name, limit=100))  # noqa: B023
            add(f"diff of {count}", found["diff"])
            merge = partial(branch_merge, name=branch.name, strategy="append", actor_id="bench")
            done: list[object] = []
            add(f"merge of {count}", once(lambda: done.append(merge(now=timezone.now()))))  # noqa: B023
            add(
                f"undo of a merge of {count}",
                once(
                    lambda: rollback(snapshot=done[0].restore_point, actor_id="bench", now=timezone.now())  # noqa: B023
                ),
            )
            branch_delete(name=branch.name, now=timezone.now())
        for count in ROLLED_BACK:
            if count * 2 > size:
                continue
            snapshot_create(name="mark", now=timezone.now())
            store(count // 2)
            pool = list(
                Memory.objects.filter(is_active=True).values_list("memory_id", flat=True)[: count * 2]
            )
            purge(pool[: count - count // 2])
            point: list[str] = []
            add(
                f"rollback of {count}",
                once(
                    lambda: point.append(  # noqa: B023
                        rollback(snapshot="mark", actor_id="b", now=timezone.now()).restore_point
                    )
                ),
            )
            add(
                f"undo of {count}",
                once(lambda: rollback(snapshot=point[0], actor_id="b", now=timezone.now())),  # noqa: B023
            )
            snapshots_delete(names=["mark"])

        changes = min(size // 4, 5_000)
        before = storage()
        pool = list(Memory.objects.filter(is_active=True).values_list("memory_id", flat=True)[:changes])
        purge(pool)
        rows.add(
            f"bytes per change ({changes} purged)",
            f"{(storage() - before) / changes:.0f}",
            "",
            "",
            "650–1900",
        )
        closed = Revision.objects.exclude(died=OPEN).count()
        add(f"collection, {closed} closed revisions, all kept", once(lambda: collect(now=timezone.now())))
    rows.show()


def once(call) -> float:  # type: ignore[no-untyped-def]
    """Seconds of something that cannot be repeated."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def plain_table(engine: str, model, sql, connection) -> None:  # type: ignore[no-untyped-def]
    """The table without versions, with the indexes that remain and its words, filled from main and packed."""
    columns = ", ".join(f.column for f in model._meta.concrete_fields)
    with connection.schema_editor() as editor:
        editor.create_model(model)
    sql.execute(f"INSERT INTO plain_memories ({columns}) SELECT {columns} FROM mem_memories ORDER BY id")
    indexes = (
        ("memory", "UNIQUE", "memory_id"),
        ("active", "", "is_active, memory_id"),
        ("type", "", "is_active, memory_type"),
        ("session", "", "session_id"),
        ("subject", "", "subject_id"),
        ("content", "", "content_hash"),
        ("embedding", "", "embedding_id"),
        ("superseded", "", "superseded_by"),
    )
    for name, unique, of in indexes:
        sql.execute(f"CREATE {unique} INDEX plain_{name} ON plain_memories ({of})")
    if engine == "mariadb":
        sql.execute("ALTER TABLE plain_memories ADD FULLTEXT INDEX plain_text (search_text)")
        sql.query("ANALYZE TABLE plain_memories, mem_memories, mem_revisions")
        return
    sql.execute(
        "CREATE VIRTUAL TABLE plain_memories_text USING fts5"
        " (search_text, content='plain_memories', content_rowid='id', tokenize='ascii')"
    )
    sql.execute(
        "INSERT INTO plain_memories_text (rowid, search_text) SELECT id, search_text FROM plain_memories"
        " WHERE is_active = 1"
    )
    for table in ("plain_memories", "mem_memories"):  # how many parts an index is in is no matter of versions
        sql.execute(f"INSERT INTO {table}_text ({table}_text) VALUES ('optimize')")


def search(engine: str, sql, table: str, words: list[str]) -> object:  # type: ignore[no-untyped-def]
    if engine == "sqlite":
        return sql.query(
            f"SELECT m.memory_id FROM {table}_text t CROSS JOIN {table} m ON m.id = t.rowid"
            f" WHERE {table}_text MATCH %s ORDER BY t.rank LIMIT 20",
            [" OR ".join(f'"{word}"' for word in words)],
        )
    return sql.query(
        f"SELECT memory_id FROM {table} WHERE MATCH (search_text) AGAINST (%s) AND is_active = 1"
        " ORDER BY MATCH (search_text) AGAINST (%s) DESC LIMIT 20",
        [" ".join(words)] * 2,
    )


if __name__ == "__main__":
    options = arguments(__doc__, sizes="1000,10000,100000", rounds=200)
    if options.engine == "both":
        each_engine("both", __file__, "--rounds", str(options.rounds), "--sizes", options.sizes)
    else:
        main(options.engine, options.sizes, options.rounds)
