"""What does a new user cost? Against copying the template by hand (SQLite) or replaying its DDL by hand (MariaDB).

.venv/bin/python bench/provisioning.py
"""

import os
import shutil
import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import Rows, alternating, arguments, each_engine, ms, ratio, set_up


def main(engine: str, rounds: int) -> None:
    data = set_up(engine)
    from django.db import connection

    from apps.tenancy import schema, servers
    from apps.tenancy.services.provision import user_provision

    place = servers.server("local")
    template = schema.ensure_template("local")
    made = [0]

    def number() -> int:
        made[0] += 1
        return made[0]

    def by_hand_sqlite() -> None:
        """Copy, write the owner, make it durable, move it into place, note it in two control-plane writes."""
        target = data / "users" / f"hand-{number()}.sqlite3"
        building = target.with_suffix(".tmp")
        shutil.copyfile(place.path(template), building)
        raw = sqlite3.connect(building)
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("UPDATE mem_owner SET user_id = 'x'")
        raw.commit()
        raw.close()
        os.link(building, target)
        building.unlink()
        note()

    def by_hand_mariadb() -> None:
        with place._cursor() as cursor:
            script = place._script(cursor, template)
            cursor.execute(f"CREATE DATABASE hand_{number()}")
            cursor.execute(f"USE hand_{made[0]}")
            cursor.execute(script)
            while cursor.nextset() is not None:
                pass
        note()

    def note() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO mem_schedules (name, next_due_at) VALUES (%s, '2026-01-01')", [f"h{number()}"]
            )
            cursor.execute(
                "UPDATE mem_schedules SET next_due_at = '2026-01-02' WHERE name = %s", [f"h{made[0]}"]
            )

    found = alternating(
        rounds,
        floor=by_hand_sqlite if engine == "sqlite" else by_hand_mariadb,
        ours=lambda: user_provision(user_id=f"user {number()}"),
        known=lambda: user_provision(user_id="user 2"),
    )
    rows = Rows(f"provisioning one user, {engine}, median of {rounds}", "what", "ms", "ratio")
    floor = "template copied by hand" if engine == "sqlite" else "DDL replayed by hand"
    rows.add(f"{floor}, with two notes (floor)", ms(found["floor"]), "")
    rows.add("user_provision, new user", ms(found["ours"]), ratio(found["ours"], found["floor"], 2))
    rows.add("user_provision, known user", ms(found["known"]), "")
    rows.show()


if __name__ == "__main__":
    options = arguments(__doc__, rounds=100)
    if options.engine == "both":
        each_engine("both", __file__, "--rounds", str(options.rounds))
    else:
        main(options.engine, options.rounds)
