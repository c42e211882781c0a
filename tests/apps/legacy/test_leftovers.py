"""Databases that somebody left where targets are to be: nothing is taken or dropped that nobody asked for."""

import shutil
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.legacy.made import Writer, make_legacy
from apps.legacy.models import MigratedUser, Migration
from apps.tenancy.models import UserDatabase
from apps.tenancy.selectors import deployment_name
from apps.tenancy.servers import server
from apps.tenancy.servers.base import Owner
from memoria.naming import database_name
from tests.conftest import MakeUser
from tests.servers import MariaDB


@pytest.fixture
def old(tmp_path: Path, make_user: MakeUser) -> str:
    """The URL of an old database of ada and Ada, whom this process has copied."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    make_legacy(url=url, users=2, memories=3, seed=1, dim=0)
    assert said("copy", url) == (0, "")
    return url


def said(phase: str, url: str, *options: str) -> tuple[int, str]:
    try:
        call_command("migrate_legacy", phase, "--legacy-url", url, *options)
    except CommandError as error:
        return error.returncode, str(error)
    return 0, ""


def forget(*, owner: Owner | None = None) -> UserDatabase:
    """Ada's database stays where the registry no longer knows it; `owner` is what it says then."""
    row = UserDatabase.objects.get(pk="ada")
    left = owner or Owner("ada", "another installation")
    server(row.server).change_owner(row.db_name, Owner("ada", deployment_name()), left)
    MigratedUser.objects.filter(pk="ada").delete()
    UserDatabase.objects.filter(pk="ada").delete()
    return row


@pytest.mark.parametrize("choice", ["adopt", "discard"])
def test_what_an_abandoned_migration_left_is_adopted_or_discarded(old: str, choice: str) -> None:
    # W-46
    left = forget()
    place = server(left.server)
    for phase in ("plan", "copy"):
        code, text = said(phase, old)
        assert code == 3
        assert f"{left.db_name} (user 'ada')" in text
    asked = ("--leftovers", choice)
    assert said("plan", old, *asked) == (0, "")
    assert "Confirm it with --yes" in said("copy", old, *asked)[1]
    assert place.owner(left.db_name) == Owner("ada", "another installation")
    assert said("copy", old, *asked, "--yes") == (0, "")
    assert UserDatabase.objects.get(pk="ada").db_name == left.db_name
    assert place.owner(left.db_name) == Owner("ada", deployment_name())
    assert said("verify", old) == (0, "")


def test_what_is_somebody_elses_is_only_left_alone(old: str) -> None:
    # W-08, W-46
    left = forget(owner=Owner("somebody", "another installation"))
    for choice in ("adopt", "discard"):
        code, text = said("copy", old, "--leftovers", choice, "--yes")
        assert (code, f"{left.db_name} (of somebody else)" in text) == (3, True)
    assert said("copy", old, "--leftovers", "ignore") == (0, "")
    assert UserDatabase.objects.get(pk="ada").db_name == database_name("ada", 1)
    assert server(left.server).owner(left.db_name) == Owner("somebody", "another installation")
    server(left.server).drop(left.db_name)


@pytest.mark.parametrize("choice", ["adopt", "discard"])
def test_users_of_another_old_database_are_told_and_taken_over(old: str, tmp_path: Path, choice: str) -> None:
    shutil.copy(tmp_path / "old.db", tmp_path / "restored.db")
    other = f"sqlite:///{tmp_path / 'restored.db'}"
    code, text = said("copy", other)
    assert (code, "2 users were copied from another old database" in text) == (3, True)
    assert said("copy", other, "--leftovers", choice, "--yes") == (0, "")
    assert set(MigratedUser.objects.values_list("migration__source", flat=True)) == {
        f"sqlite:{tmp_path / 'restored.db'}"
    }
    assert said("verify", other) == (0, "")


def test_who_is_gone_from_the_old_database_is_told(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    writer = Writer(old)
    for (table,) in writer.execute(
        "SELECT t.name FROM sqlite_master t JOIN pragma_table_info(t.name) c ON c.name = 'user_id'"
        " WHERE t.type = 'table'"
    ):
        writer.execute(f"DELETE FROM {table} WHERE user_id = 'Ada'")
    writer.commit()
    assert said("cutover", old, "--yes", "--quiet-seconds", "0") == (0, "")
    assert "1 users who were copied are no longer in the old database" in capsys.readouterr().out
    assert UserDatabase.objects.get(pk="Ada").status == "importing"
    assert said("status", old) == (0, "")
    writer.execute("UPDATE mem_memories SET updated_at = '2025-01-01 00:00:00' WHERE user_id = 'ada'")
    writer.commit()
    writer.close()
    row = UserDatabase.objects.get(pk="Ada")
    assert said("rollback", old) == (0, "")
    assert said("copy", old, "--leftovers", "discard", "--yes") == (0, "")
    assert not UserDatabase.objects.filter(pk="Ada").exists()
    assert not server(row.server).exists(row.db_name)


def test_another_spelling_of_the_url_is_the_same_migration(
    db: None, make_user: MakeUser, mariadb: MariaDB, tmp_path: Path
) -> None:
    name = f"old_{tmp_path.name.replace('-', '_')}"
    url = mariadb.url(name)
    make_legacy(url=url, users=1, memories=3, seed=1, dim=0)
    assert said("copy", url) == (0, "")
    link = tmp_path / "s"
    link.symlink_to(mariadb.socket)
    start, rest = url.split("?unix_socket=")
    assert rest
    other = f"{start}?connect_timeout=5&unix_socket={link}"
    assert said("copy", other) == (0, "")
    assert said("verify", other.replace("mysql://", "mariadb://")) == (0, "")
    assert Migration.objects.count() == 1
