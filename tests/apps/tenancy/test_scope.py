"""The scope fails closed: no scope, no query; a row of one user never works in another's database."""

from dataclasses import replace

import pytest
from django.db import connections
from django.utils import timezone

from apps.memories.models import Clock, Commit, MemoryStats
from apps.tenancy import servers, sql
from apps.tenancy.scope import current_alias, user_atomic, user_database
from memoria.errors import CrossUserAccess, NoUserScope, WrongOwner


def test_user_models_raise_without_a_scope(db):
    with pytest.raises(NoUserScope):
        Clock.objects.count()
    with pytest.raises(NoUserScope):
        MemoryStats(memory_id="m1").save()


def test_a_scope_routes_to_its_own_database(ada, ben):
    with user_database(ada):
        MemoryStats.objects.create(memory_id="m1", access_count=1)
    with user_database(ben):
        assert not MemoryStats.objects.exists()
    with user_database(ada):
        assert MemoryStats.objects.get().access_count == 1


def test_a_row_of_ada_cannot_be_saved_in_bens_scope(ada, ben):
    with user_database(ada):
        row = MemoryStats.objects.create(memory_id="m1")
    with user_database(ben):
        with pytest.raises(CrossUserAccess):
            row.save()
        with pytest.raises(CrossUserAccess):
            row.delete()
        assert not MemoryStats.objects.exists()


def test_a_lazy_queryset_of_ada_evaluated_in_bens_scope_raises(ada, ben):
    with user_database(ada):
        MemoryStats.objects.create(memory_id="m1")
        rows = MemoryStats.objects.all()
    with user_database(ben), pytest.raises(CrossUserAccess):
        list(rows)


def test_the_alias_is_gone_after_the_scope(ada):
    with user_database(ada) as alias:
        rows = MemoryStats.objects.using(alias)
    assert list(connections) == ["default"]
    with pytest.raises(Exception, match="doesn't exist"):
        list(rows)


def test_scopes_nest_and_shadow(ada, ben):
    with user_database(ada) as outer:
        with user_database(ada) as again:
            assert again == outer
        assert Clock.objects.count() == 1
        with user_database(ben) as inner:
            assert current_alias() == inner != outer
        assert current_alias() == outer


def test_leaving_inside_a_transaction_rolls_back(ada):
    with pytest.raises(RuntimeError), user_database(ada):
        atomic = user_atomic()
        atomic.__enter__()
        MemoryStats.objects.create(memory_id="m1")
        raise RuntimeError("the door fell shut")
    with user_database(ada):
        assert not MemoryStats.objects.exists()


def test_a_database_with_another_owners_marker_is_refused(ada, ben):
    stolen = replace(ada, alias=ben.alias)
    with user_database(stolen), pytest.raises(WrongOwner):
        Clock.objects.count()


def test_the_connection_goes_back_to_the_pool(ada):
    pool = servers.server(ada.server).pool
    with user_database(ada):
        assert pool.open_count - pool.idle_count == 0
        Clock.objects.count()
        assert pool.open_count - pool.idle_count == 1
    assert pool.open_count - pool.idle_count == 0


def test_emoji_and_blanks_survive_a_rebound_connection(ada, ben):
    """CHANGE USER must not lose the character set."""
    pool = servers.server(ada.server).pool
    size, pool.size = pool.size, 1
    try:
        for route in (ada, ben, ada, ben):
            with user_database(route):
                MemoryStats.objects.update_or_create(
                    memory_id="é 😀 ", defaults={"last_accessed_at": timezone.now()}
                )
                assert MemoryStats.objects.get().memory_id == "é 😀 "
    finally:
        pool.size = size


def test_rows_of_one_user_cannot_be_handed_to_another_in_bulk(ada, ben):
    with user_database(ada):
        foreign = _a_commit("of ada")
    with user_database(ben):
        _a_commit("of ben")
        for hand_over in (
            lambda: Commit.objects.bulk_update([foreign], ["actor_id"]),
            lambda: Commit.objects.bulk_create([foreign]),
            lambda: sql.insert([foreign]),
        ):
            with pytest.raises(CrossUserAccess):
                hand_over()
        assert list(Commit.objects.values_list("actor_id", flat=True)) == ["of ben"]


def test_lazy_querysets_of_one_user_cannot_be_mixed_into_anothers(ada, ben):
    with user_database(ada):
        _a_commit("of ada")
        lazy, plain = Commit.objects.all(), Commit._base_manager.all()
    with user_database(ben):
        for mixed in (
            lambda: list(Commit.objects.filter(seq__in=lazy.values("seq"))),
            lambda: list(Commit.objects.all() | lazy),
            lambda: list(Commit.objects.all() & lazy),
            lambda: list(Commit.objects.all().union(lazy)),
            lambda: list(plain),
        ):
            with pytest.raises(CrossUserAccess):
                mixed()


def _a_commit(actor_id: str) -> Commit:
    row = Commit(seq=900, branch_id=0, operation="test", actor_id=actor_id, created_at=timezone.now())
    row.save(force_insert=True)
    return row
