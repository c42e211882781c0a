"""Bringing user databases up to date: at the door, by command, resumably, and never backwards."""

import hashlib
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.utils import timezone

from apps.memories.models import Clock, MemoryStats
from apps.tenancy import admission, schema, sql
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.router import USER_APPS
from apps.tenancy.scope import user_database
from apps.tenancy.selectors import registration_find
from apps.tenancy.services import upgrade
from apps.tenancy.services.upgrade import user_upgrade
from memoria.errors import Unavailable
from tests.processes import installation, manage, start_script


def age(user_id: str) -> None:
    """Take a user's database one schema back: the stats table goes, and its migration is forgotten."""
    with (
        user_database(admission.active_route(user_id=user_id)) as alias,
        connections[alias].cursor() as cursor,
    ):
        cursor.execute("DROP TABLE mem_user_state")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'versioning'")
        cursor.execute("DROP TABLE mem_branches")
        cursor.execute("DROP TABLE mem_snapshots")
    UserDatabase.objects.filter(pk=user_id).update(schema_version=schema.schema_version() - 2)


def tables(user_id: str) -> set[str]:
    with user_database(admission.active_route(user_id=user_id)) as alias:
        return set(connections[alias].introspection.table_names())


def test_an_old_database_is_upgraded_at_the_door(ada):
    with user_database(ada):
        MemoryStats.objects.create(memory_id="kept")
    age("ada")
    route = admission.route(user_id="ada", found=registration_find(user_id="ada"), creates=False)
    with user_database(route):
        assert MemoryStats.objects.get().memory_id == "kept"
    assert {"mem_branches", "mem_snapshots", "mem_user_state"} <= tables("ada")
    row = UserDatabase.objects.get(pk="ada")
    assert (row.status, row.schema_version, row.lease_holder) == (State.ACTIVE, schema.schema_version(), "")


def test_a_newer_database_is_refused_and_not_touched(ada):
    UserDatabase.objects.filter(pk="ada").update(schema_version=schema.schema_version() + 1)
    with pytest.raises(Unavailable, match="newer"):
        admission.active_route(user_id="ada")
    assert UserDatabase.objects.get(pk="ada").status == State.ACTIVE


def test_check_says_what_is_behind_and_changes_nothing(ada, ben, capsys):
    call_command("migrate_users", "--check")
    age("ada")
    with pytest.raises(SystemExit):
        call_command("migrate_users", "--check")
    assert "1 user database(s) behind" in capsys.readouterr().out
    assert registration_find(user_id="ada").schema_version < schema.schema_version()


def test_the_command_upgrades_everybody_and_reports(ada, ben, capsys):
    age("ada")
    age("ben")
    call_command("migrate_users")
    out = capsys.readouterr().out
    assert "upgraded" in out
    assert "2 users" in out
    call_command("migrate_users", "--check")


def test_one_failing_user_does_not_stop_the_others_and_is_retried(ada, ben, monkeypatch, capsys):
    age("ada")
    age("ben")
    real = schema.apply_migrations

    def flaky(alias):
        if alias == ada.alias:
            raise RuntimeError("broken")
        return real(alias)

    with monkeypatch.context() as patch, pytest.raises(CommandError, match="1 of 2"):
        patch.setattr(schema, "apply_migrations", flaky)
        call_command("migrate_users")
    assert "'ada': RuntimeError: broken" in capsys.readouterr().out
    assert registration_find(user_id="ben").status == State.ACTIVE
    row = UserDatabase.objects.get(pk="ada")
    assert (row.status, row.last_error) == (State.MIGRATING, "upgrade: RuntimeError")
    UserDatabase.objects.filter(pk="ada").update(lease_until=timezone.now() - timedelta(seconds=1))
    call_command("migrate_users")
    assert UserDatabase.objects.get(pk="ada").status == State.ACTIVE
    with user_database(admission.active_route(user_id="ada")):
        assert Clock.objects.count() == 1


def test_a_suspended_user_stays_suspended(ada):
    age("ada")
    UserDatabase.objects.filter(pk="ada").update(status=State.SUSPENDED)
    user_upgrade(user_id="ada")
    row = UserDatabase.objects.get(pk="ada")
    assert (row.status, row.schema_version) == (State.SUSPENDED, schema.schema_version())


def test_an_interrupted_upgrade_is_resumed_once_its_lease_has_run_out(ada):
    age("ada")
    rows = UserDatabase.objects.filter(pk="ada")
    rows.update(
        status=State.MIGRATING,
        lease_holder=f"{upgrade.HOLDER_PREFIX}active:dead",
        lease_until=timezone.now() + timedelta(seconds=60),
    )
    with pytest.raises(Unavailable):
        admission.active_route(user_id="ada")
    rows.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert admission.active_route(user_id="ada").alias == ada.alias
    assert rows.get().status == State.ACTIVE


def test_a_database_that_another_job_migrates_is_left_to_it(ada):
    rows = UserDatabase.objects.filter(pk="ada")
    rows.update(status=State.MIGRATING, lease_holder="legacy:job", lease_until=None)
    with pytest.raises(Unavailable):
        admission.active_route(user_id="ada")
    rows.update(status=State.ACTIVE, lease_holder="")


AGED_USERS = """
from django.db import connections
from apps.tenancy import admission, schema
from apps.tenancy.models import UserDatabase
from apps.tenancy.scope import user_database
from apps.tenancy.services.provision import user_provision
for user_id in sys.argv[1:]:
    with user_database(admission.admit(user_provision(user_id=user_id))) as alias, connections[alias].cursor() as c:
        for table in ("mem_user_state", "mem_branches", "mem_snapshots"):
            c.execute("DROP TABLE " + table)
        c.execute("DELETE FROM django_migrations WHERE app = 'versioning'")
UserDatabase.objects.update(schema_version=schema.schema_version() - 2)
"""


def test_processes_share_the_work(tmp_path):
    environment = installation(tmp_path)
    script = start_script(environment, AGED_USERS, *(f"{tmp_path.name}-{n}" for n in range(4)))
    script.communicate(timeout=60)
    assert script.returncode == 0
    assert manage(environment, "migrate_users", "--check", check=False).returncode == 1
    done = manage(environment, "migrate_users", "--processes", "2")
    assert "4 users" in done.stdout
    assert manage(environment, "migrate_users", "--check").returncode == 0


def test_every_schema_change_raises_the_version():
    """The fingerprint of the user-plane models is pinned to the version: change one, change both."""
    described = hashlib.sha256()
    for label in sorted(USER_APPS):
        for model in sorted(apps.get_app_config(label).get_models(), key=lambda m: m._meta.db_table):
            fields = [repr(field.deconstruct()[1:]) for field in model._meta.concrete_fields]
            indexes = [
                repr(index.deconstruct()) for index in (*model._meta.indexes, *model._meta.constraints)
            ]
            described.update("\n".join([model._meta.db_table, *fields, *indexes]).encode())
    assert (schema.schema_version(), described.hexdigest()[:16]) == PINNED


PINNED = (12, "f459b6deef7aa588")


@pytest.mark.mysql_only(reason="these servers commit every DDL statement by itself")
def test_an_upgrade_that_was_killed_after_its_ddl_is_finished_by_the_next(make_user):
    """The tables are changed, and nothing says so: kill -9 between the statements and their record."""
    route = make_user("ada")
    with user_database(route):
        sql.execute("DELETE FROM django_migrations WHERE app = 'memories' AND name LIKE '0005%%'")
    UserDatabase.objects.filter(pk="ada").update(schema_version=schema.schema_version() - 1)
    assert user_upgrade(user_id="ada").schema_version == schema.schema_version()
    row = UserDatabase.objects.get(pk="ada")
    assert (row.status, row.last_error) == (State.ACTIVE, "")
