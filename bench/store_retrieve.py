"""What do storing and retrieving cost beside the same work by hand, at 1,000, 10,000 and 100,000 memories?

    .venv/bin/python bench/store_retrieve.py
    .venv/bin/python bench/store_retrieve.py --engine sqlite --sizes 1000,10000

Also, how long does a retrieval take that has a store to catch up with, `--rounds` times in a row?

Without embedding and HTTP. Storing by hand: the same rows into the same tables with plain SQL in one transaction.
Retrieving by hand: one product of the matrix with the query, and one full-text query for the same words, both top 10.
"""

import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import Rows, alternating, arguments, each_engine, ms, ratio, set_up

WORDS = 3_000


def sentence(rng: random.Random) -> str:
    """A memory-like line: words with a long tail, a name, a number."""
    words = [f"word{int(rng.paretovariate(0.7)) % WORDS}" for _ in range(14)]
    return f"{rng.choice(['Ada', 'Ben', 'Cleo'])} noted that {' '.join(words)} in ticket PAY-{rng.randrange(10_000)}"


def main(engine: str, sizes: str, rounds: int) -> None:
    set_up(engine, EMBEDDING_PROVIDER="hash", MEMORIA_CORPUS_MEGABYTES=4096)
    import numpy as np
    from django.utils import timezone

    from apps.memories.embedding import embedder
    from apps.memories.models import Embedding, Memory
    from apps.memories.retrieval import memories_retrieve
    from apps.memories.services.write import memories_write
    from apps.memories.view import MAIN
    from apps.tenancy.admission import admit
    from apps.tenancy.scope import user_atomic, user_connection, user_database
    from apps.tenancy.services.provision import user_provision
    from memoria.drafts import draft
    from memoria.tokens import search_terms

    rng, embed = random.Random(7), embedder()
    assert embed is not None
    rows = Rows(
        f"store and retrieve, {engine}, median of {rounds}", "memories", "what", "ms", "by hand, ms", "ratio"
    )
    route = admit(user_provision(user_id="bench"))
    vectors: dict[str, object] = {}

    class Known:
        """Vectors of the texts at hand, computed beforehand: the bench is about everything else."""

        def __init__(self) -> None:
            self.model, self.dim = embed.model, embed.dim

        def embed(self, texts):  # type: ignore[no-untyped-def]
            return np.stack([vectors[text] for text in texts])

        def embed_query(self, text):  # type: ignore[no-untyped-def]
            return vectors[text]

    known = Known()

    def prepared(count: int) -> list[str]:
        texts = [sentence(rng) for _ in range(count)]
        for text, vector in zip(texts, embed.embed(texts), strict=True):
            vectors[text] = vector
        return texts

    def store(texts: list[str]) -> None:
        now = timezone.now()
        memories_write(
            drafts=[draft(content=text, now=now) for text in texts],
            view=MAIN,
            actor_id="bench",
            operation="store",
            reason="store_memory",
            now=now,
            embedder=known,
        )

    with user_database(route):
        tables = [
            "mem_commits",
            "mem_embeddings",
            "mem_memories",
            "mem_edit_log",
            "mem_entities",
            "mem_memory_entity_links",
        ]
        copies: dict[str, list[tuple]] = {}

        def remember(since: dict[str, int]) -> None:
            """Keep the rows that one store made, to write their like by hand."""
            with user_connection().cursor() as cursor:
                for table in tables:
                    key = {"mem_commits": "seq"}.get(table, "id" if table != "mem_edit_log" else "seq")
                    cursor.execute(f"SELECT * FROM {table} WHERE {key} > %s", [since[table]])
                    copies[table] = [tuple(row) for row in cursor.fetchall()]
                    copies[f"{table}.columns"] = [tuple(column[0] for column in cursor.description)]

        def newest() -> dict[str, int]:
            with user_connection().cursor() as cursor:
                found = {}
                for table in tables:
                    key = "seq" if table in ("mem_commits", "mem_edit_log") else "id"
                    cursor.execute(f"SELECT COALESCE(MAX({key}), 0) FROM {table}")
                    found[table] = cursor.fetchone()[0]
                return found

        made = [0]

        def by_hand() -> None:
            """The rows of one store again, under new ids, with as many statements as there are tables."""
            made[0] += 1
            with user_atomic(), user_connection().cursor() as cursor:
                cursor.execute("UPDATE mem_clock SET seq = seq + 1, active_count = active_count + 1")
                cursor.execute("SELECT seq FROM mem_clock")
                (seq,) = cursor.fetchone()
                for table in tables:
                    columns = copies[f"{table}.columns"][0]
                    values = []
                    for n, row in enumerate(copies[table]):
                        new = dict(zip(columns, row, strict=True))
                        new.pop("id", None)
                        for column in ("seq", "born"):
                            if column in new:
                                new[column] = seq
                        for column in ("memory_id", "edit_id"):
                            if column in new and table != "mem_entities":
                                new[column] = f"h{made[0]:020d}{n:04d}"
                        if table == "mem_entities":
                            new["name"] = f"hand {made[0]} {n}"
                        if table == "mem_memory_entity_links":
                            new["entity_id"] = 10**9 + made[0] * 100 + n
                        values.append(new)
                    if values:
                        names = ", ".join(user_connection().ops.quote_name(c) for c in values[0])
                        marks = ", ".join(["%s"] * len(values[0]))
                        cursor.executemany(
                            f"INSERT INTO {table} ({names}) VALUES ({marks})",
                            [list(v.values()) for v in values],
                        )

        size = 0
        for target in map(int, sizes.split(",")):
            while size < target:
                step = min(1_000, target - size)
                store(prepared(step))
                size += step
            since = newest()
            store(prepared(1))
            remember(since)
            singles = iter(prepared(rounds + 2))
            batches = iter([prepared(100) for _ in range(12)])
            stored = alternating(rounds, ours=lambda: store([next(singles)]), hand=by_hand)  # noqa: B023
            rows.add(
                target,
                "store one",
                ms(stored["ours"]),
                ms(stored["hand"]),
                ratio(stored["ours"], stored["hand"], 3),
            )
            batch = alternating(10, ours=lambda: store(next(batches)))  # noqa: B023
            per_memory = batch["ours"] / 100
            rows.add(
                target,
                "store 100, each",
                ms(per_memory),
                ms(stored["hand"]),
                ratio(per_memory, stored["hand"]),
            )

            pks = list(Memory.objects.filter(is_active=True).values_list("embedding_id", flat=True))
            blobs = dict(Embedding.objects.values_list("pk", "vector"))
            matrix = np.stack([np.frombuffer(blobs[pk], np.float16) for pk in pks if pk in blobs]).astype(
                np.float32
            )
            queries = prepared(50)
            turn = [0]

            def next_query() -> str:
                turn[0] += 1  # noqa: B023
                return queries[turn[0] % len(queries)]  # noqa: B023

            def search_by_hand() -> object:
                query = next_query()
                scores = matrix @ vectors[query]  # noqa: B023
                best = np.argpartition(-scores, 10)[:10]
                terms = search_terms(query)
                with user_connection().cursor() as cursor:
                    if engine == "sqlite":
                        match = " OR ".join(f'"{term}"' for term in terms)
                        cursor.execute(
                            "SELECT rowid FROM mem_memories_text WHERE mem_memories_text MATCH %s "
                            "ORDER BY rank LIMIT 10",
                            [match],
                        )
                    else:
                        cursor.execute(
                            "SELECT id FROM mem_memories WHERE MATCH (search_text) AGAINST (%s)"
                            " AND is_active = 1 ORDER BY MATCH (search_text) AGAINST (%s) DESC LIMIT 10",
                            [" ".join(terms)] * 2,
                        )
                    return best, cursor.fetchall()

            def retrieve() -> object:
                return memories_retrieve(
                    view=MAIN, query=next_query(), top_k=10, embedder=known, now=timezone.now()
                )

            found = alternating(min(rounds, 100), ours=retrieve, hand=search_by_hand)
            rows.add(
                target,
                "retrieve, warm",
                ms(found["ours"]),
                ms(found["hand"]),
                ratio(found["ours"], found["hand"], 3),
            )
            fresh = iter(prepared(rounds))
            waits = []
            for _ in range(rounds):
                store([next(fresh)])
                started = time.perf_counter()
                retrieve()
                waits.append(time.perf_counter() - started)
            for what, wait in (("mean", statistics.mean(waits)), ("longest", max(waits))):
                title = f"retrieve after a store, {what}"
                rows.add(target, title, ms(wait), ms(found["hand"]), ratio(wait, found["hand"]))
            size = Memory.objects.count()
    rows.show()


if __name__ == "__main__":
    options = arguments(__doc__, sizes="1000,10000,100000", rounds=200)
    if options.engine == "both":
        each_engine("both", __file__, "--rounds", str(options.rounds), "--sizes", options.sizes)
    else:
        main(options.engine, options.sizes, options.rounds)
