"""One database per user, whoever asks, however often, and whatever dies in between."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from apps.memories.models import Clock
from apps.tenancy import admission, schema, servers
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.scope import Route, user_database
from apps.tenancy.selectors import deployment_name, registration_find
from apps.tenancy.servers.base import Owner
from apps.tenancy.services import provision
from apps.tenancy.services.lifecycle import user_reactivate, user_suspend
from apps.tenancy.services.provision import user_provision
from memoria import naming
from memoria.errors import Conflict, Forbidden, Gone, Invalid, Unavailable
from tests.processes import empty_installation, installation, start_script

ODD_IDS = [
    "Alice",
    "alice",
    "alice ",
    " alice",
    "caf\u00e9",
    "cafe\u0301",
    "o'brien",
    'say "hi"',
    "back\\slash",
    "back\\",
    "x\\' OR 1=1 -- ",
    "100%",
    "_",
    "line\nbreak",
    "tab\t",
    "../../etc/passwd",
    "`; DROP DATABASE memoria; --",
    "a" * 64,
    "\U0001f600\U0001f9e0",
    "名前",
    "-1",
    "NULL",
]


def test_every_odd_id_gets_a_database_of_its_own(make_user):
    routes = {user_id: make_user(user_id) for user_id in ODD_IDS}
    assert len({route.alias for route in routes.values()}) == len(ODD_IDS)
    for user_id, route in routes.items():
        assert naming.DATABASE_NAME.match(route.alias)
        assert servers.server(route.server).owner(route.alias) == Owner(user_id, deployment_name())
        assert registration_find(user_id=user_id).status == State.ACTIVE


@pytest.mark.parametrize("user_id", ["", "a" * 65, "grp_0123456789ab", "group:x", "nul\0", "\ud800"])
def test_an_unacceptable_id_makes_nothing(db, user_id):
    with pytest.raises(Invalid):
        user_provision(user_id=user_id)
    assert not UserDatabase.objects.exists()


def test_a_hash_collision_gives_the_second_user_another_name(make_user, monkeypatch):
    real = naming.database_name
    monkeypatch.setattr(provision, "database_name", lambda user_id, attempt=0: real("the same", attempt))
    ada, ben = make_user("ada"), make_user("ben")
    assert ada.alias != ben.alias
    for route in (ada, ben):
        with user_database(route):
            assert Clock.objects.count() == 1


@pytest.mark.parametrize("others", [1, 10])
def test_foreign_databases_in_the_way_are_left_alone(make_user, settings, others):
    """Other installations share the server: their databases keep their names, ours takes the next."""
    server_name = next(iter(settings.MEMORIA_USER_SERVERS))
    place, template = servers.server(server_name), schema.ensure_template(server_name)
    foreign = {naming.database_name("ada", n): Owner("ada", f"installation {n}") for n in range(others)}
    for name, owner in foreign.items():
        place.create_from_template(name, template, owner)
    try:
        assert make_user("ada").alias == naming.database_name("ada", others)
        assert {name: place.owner(name) for name in foreign} == foreign
    finally:
        for name in foreign:
            place.drop(name)


def test_many_threads_asking_for_one_new_user_make_one_database(make_user, transactional_db, monkeypatch):
    builds = []
    place = servers.server(servers.server_names()[0])
    create = place.create_from_template
    monkeypatch.setattr(place, "create_from_template", lambda *a: (builds.append(a), create(*a))[1])

    def ask(_: int) -> str:
        try:
            return user_provision(user_id="ada").db_name
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        names = set(pool.map(ask, range(20)))
    assert len(names) == 1
    assert len(builds) == 1
    make_user("ada")


def test_a_failing_build_leaves_a_row_that_the_next_request_resumes(make_user, monkeypatch):
    place = servers.server(servers.server_names()[0])

    def fail(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(place, "create_from_template", fail)
        user_provision(user_id="ada")
    row = UserDatabase.objects.get(pk="ada")
    assert (row.status, row.last_error) == (State.PROVISIONING, "OSError")
    route = make_user("ada")
    with user_database(route):
        assert Clock.objects.count() == 1
    row.refresh_from_db()
    assert (row.status, row.last_error) == (State.ACTIVE, "")


def test_an_abandoned_build_is_taken_over_when_its_lease_has_run_out(make_user, settings):
    settings.MEMORIA_LEASE_SECONDS = 1
    now = timezone.now()
    UserDatabase.objects.create(
        user_id="ada",
        db_name=naming.database_name("ada"),
        server=servers.server_names()[0],
        status=State.PROVISIONING,
        lease_holder="build:dead",
        lease_until=now + timedelta(seconds=0.4),
        created_at=now,
        updated_at=now,
    )
    started = time.monotonic()
    assert make_user("ada").user_id == "ada"
    assert time.monotonic() - started > 0.3, "a living builder was not waited for"


def test_a_builder_that_never_ends_is_reported_as_busy(db, settings):
    settings.MEMORIA_LEASE_SECONDS = 0.1
    now = timezone.now()
    UserDatabase.objects.create(
        user_id="ada",
        db_name=naming.database_name("ada"),
        server=servers.server_names()[0],
        status=State.PROVISIONING,
        lease_holder="build:slow",
        lease_until=now + timedelta(seconds=60),
        created_at=now,
        updated_at=now,
    )
    with pytest.raises(Unavailable):
        user_provision(user_id="ada")


def test_suspended_and_deleted_users_are_refused_and_not_revived(make_user):
    make_user("ada")
    user_suspend(user_id="ada")
    with pytest.raises(Forbidden):
        admission.route(user_id="ada", found=registration_find(user_id="ada"), creates=True)
    user_reactivate(user_id="ada")
    with pytest.raises(Conflict):
        user_reactivate_from_deleted()
    for state in (State.DELETING, State.DELETED):
        UserDatabase.objects.filter(pk="ada").update(status=state)
        with pytest.raises(Gone):
            admission.route(user_id="ada", found=registration_find(user_id="ada"), creates=True)
        assert registration_find(user_id="ada").status == state
    UserDatabase.objects.filter(pk="ada").update(status=State.ACTIVE)


def user_reactivate_from_deleted() -> None:
    UserDatabase.objects.filter(pk="ada").update(status=State.DELETED)
    user_reactivate(user_id="ada")


def test_users_are_placed_on_the_least_loaded_server(make_user, settings, tmp_path, monkeypatch):
    entry = next(iter(settings.MEMORIA_USER_SERVERS.values()))
    places = {"a": dict(entry), "b": dict(entry)}
    if entry["ENGINE"].endswith("sqlite3"):
        for name, place in places.items():
            place["NAME"] = str(tmp_path / name)
    settings.MEMORIA_USER_SERVERS = places
    monkeypatch.setattr(servers, "_servers", {})
    routes = [make_user(f"user {n}") for n in range(6)]
    assert [route.server for route in routes] == ["a", "b"] * 3
    for route in routes:
        with user_database(route):
            assert Clock.objects.count() == 1


def test_a_user_on_a_server_that_is_not_configured_is_unavailable(ada, settings, monkeypatch):
    UserDatabase.objects.filter(pk="ada").update(server="gone")
    with pytest.raises(Unavailable, match="gone"), user_database(admission.active_route(user_id="ada")):
        Clock.objects.count()
    UserDatabase.objects.filter(pk="ada").update(server=ada.server)


def test_a_missing_database_is_an_error_and_never_made_anew(ada):
    place = servers.server(ada.server)
    place.drop(ada.alias)
    with pytest.raises(Exception, match=r"unable to open|Unknown database"), user_database(ada):
        Clock.objects.count()
    assert not place.exists(ada.alias)


def test_the_template_equals_the_migrated_schema(make_user, ada):
    """Databases copied from the template have what running the migrations gives."""
    place = servers.server(ada.server)
    migrated = naming.database_name("migrated by hand")
    place.create_empty(migrated, Owner("by hand", "test"))
    route = scope_route(migrated, ada.server)
    try:
        with user_database(route) as alias:
            schema.apply_migrations(alias)
            by_hand = described(alias)
        with user_database(ada) as alias:
            assert described(alias) == by_hand
    finally:
        place.drop(migrated)


def scope_route(alias: str, server: str) -> Route:
    return Route(user_id="by hand", alias=alias, server=server, owner=None)


def described(alias: str) -> dict[str, object]:
    connection = connections[alias]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '%_text_%' ORDER BY name"
            )
            return {"schema": sorted(cursor.fetchall(), key=str)}
        found = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SHOW CREATE TABLE `{table}`")
            lines = cursor.fetchone()[1].split("\n")
            found[table] = [line for line in lines if "AUTO_INCREMENT=" not in line]
        return found


def test_a_builder_who_was_replaced_leaves_the_database_in_use_alone(make_user, monkeypatch):
    """It lost its lease between claiming and building; meanwhile the database was finished and written to."""
    place = servers.server(servers.server_names()[0])
    create = place.create_from_template

    def overtaken(database: str, template: str, owner: Owner) -> bool:
        monkeypatch.setattr(place, "create_from_template", create)
        now = timezone.now()
        UserDatabase.objects.filter(pk="ada").update(lease_until=now)
        with user_database(make_user("ada")):
            Clock.objects.update(horizon=7)
        return create(database, template, owner)

    monkeypatch.setattr(place, "create_from_template", overtaken)
    user_provision(user_id="ada")
    with user_database(make_user("ada")):
        assert Clock.objects.get().horizon == 7


BUILD = """
from apps.tenancy import servers
from apps.tenancy.services.provision import user_provision
place = servers.server(servers.server_names()[0])
if sys.argv[1] == "die":
    create = place.create_from_template
    def half(name, template, owner):
        made = create(name, template, owner)
        print("built", flush=True)
        import time; time.sleep(60)
        return made
    place.create_from_template = half
print(user_provision(user_id=sys.argv[2]).db_name, flush=True)
"""


def test_many_processes_make_one_database(tmp_path):
    environment = installation(tmp_path)
    children = [start_script(environment, BUILD, "build", tmp_path.name) for _ in range(4)]
    names = [process.communicate(timeout=60)[0].strip() for process in children]
    assert [process.returncode for process in children] == [0] * 4
    assert len(set(names)) == 1


def test_kill_9_in_the_middle_of_a_build_is_resumed_by_the_next_request(tmp_path):
    environment = installation(tmp_path)
    dying = start_script(environment, BUILD, "die", tmp_path.name)
    assert dying.stdout is not None
    assert dying.stdout.readline().strip() == "built"
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    dying.stdout.close()
    started = time.monotonic()
    out, _ = start_script(environment, BUILD, "build", tmp_path.name).communicate(timeout=60)
    assert out.strip() == naming.database_name(tmp_path.name)
    assert time.monotonic() - started < 30


def test_no_persons_database_is_taken_for_a_template_being_built(make_user, monkeypatch):
    template = schema.template_database()
    route = make_user(f"building {template}")
    place = servers.server(route.server)
    monkeypatch.setattr(schema, "_ready", set())
    place.drop(template)
    schema.ensure_template(route.server)
    assert place.owner(route.alias).user_id == f"building {template}"


MIGRATE = """
from apps.tenancy.services.control_plane import control_plane_migrate
control_plane_migrate()
from apps.tenancy.models import UserDatabase
print(UserDatabase.objects.count())
"""


def test_servers_that_start_at_once_take_turns_with_an_empty_control_plane(tmp_path):
    environment = empty_installation(tmp_path)
    children = [start_script(environment, MIGRATE) for _ in range(4)]
    assert [process.communicate(timeout=120)[0].strip() for process in children] == ["0"] * 4
