"""What does opening a user's database cost? A scope and a trivial query, against the same query on a plain alias.

.venv/bin/python bench/scope.py
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.common import Rows, alternating, arguments, each_engine, ms, ratio, set_up


def main(engine: str, rounds: int) -> None:
    set_up(engine)
    from django.db import connections

    from apps.memories.models import Clock
    from apps.tenancy import servers
    from apps.tenancy.admission import admit
    from apps.tenancy.scope import user_database
    from apps.tenancy.services.provision import user_provision

    routes = [admit(user_provision(user_id=f"user {n}")) for n in range(40)]
    place = servers.server(routes[0].server)
    plain = place.connection(routes[0].alias, owner=None)
    connections["plain"] = plain
    queryset = Clock.objects.using("plain").filter(pk=1)
    seen = [0]

    def scoped(route: object) -> object:
        with user_database(route):
            return Clock.objects.get(pk=1)

    def next_user() -> object:
        seen[0] = (seen[0] + 1) % len(routes)
        return scoped(routes[seen[0]])

    def reopened() -> object:
        connection = place.connection(routes[1].alias, owner=None)
        connections["again"] = connection
        found = Clock.objects.using("again").get(pk=1)
        connection._session, session = None, connection._session
        place.pool.discard(session)
        del connections["again"]
        return found

    found = alternating(
        rounds,
        floor=lambda: queryset.get(),
        same=lambda: scoped(routes[0]),
        other=next_user,
        reopened=reopened,
    )
    rows = Rows(f"scope open + trivial query, {engine}, median of {rounds}", "what", "ms", "against", "ratio")
    rows.add("query on a plain, open alias (floor)", ms(found["floor"]), "", "")
    rows.add(
        "scope + query, user as before",
        ms(found["same"]),
        "plain alias",
        ratio(found["same"], found["floor"], 1.5),
    )
    rows.add("connect + query + close, no pool (floor)", ms(found["reopened"]), "", "")
    rows.add(
        "scope + query, another user each time",
        ms(found["other"]),
        "connect and close",
        ratio(found["other"], found["reopened"]),
    )
    rows.show()
    print(
        f"open connections after touching {len(routes)} users: {place.pool.open_count} of {place.pool.size}"
    )


if __name__ == "__main__":
    options = arguments(__doc__, rounds=2000)
    if options.engine == "both":
        each_engine("both", __file__, "--rounds", str(options.rounds))
    else:
        main(options.engine, options.rounds)
