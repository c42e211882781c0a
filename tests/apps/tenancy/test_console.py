"""The console: an operator sees the fleet and acts on it; strangers see a login page."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.tenancy.models import State, UserDatabase


@pytest.fixture
def ops(db):
    User.objects.create_superuser("ops", password="a long password")
    client = Client()
    assert client.login(username="ops", password="a long password")
    return client


def test_strangers_are_sent_to_the_login(db):
    for path in ("/console/", "/console/tenancy/userdatabase/", "/console/accounts/apikey/"):
        answer = Client().get(path)
        assert (answer.status_code, "/console/login/" in answer["Location"]) == (302, True)


def test_the_first_page_counts_users_by_state_and_server(ops, ada, ben):
    UserDatabase.objects.filter(pk="ben").update(status=State.SUSPENDED)
    page = ops.get("/console/").content.decode()
    assert "1 active, 1 suspended" in page
    assert ada.server in page


def test_the_list_shows_state_server_size_schema_and_error(ops, ada):
    UserDatabase.objects.filter(pk="ada").update(last_error="upgrade: OSError", schema_version=1)
    page = ops.get("/console/tenancy/userdatabase/").content.decode()
    for text in ("ada", "active", ada.server, "upgrade: OSError", "1 of "):
        assert text in page
    assert re.search(r"\d+(\.\d)?\s(KB|MB)", page)
    assert (
        ops.get("/console/tenancy/userdatabase/?schema=behind").content.decode().count("upgrade: OSError")
        >= 1
    )
    assert "upgrade: OSError" not in ops.get("/console/tenancy/userdatabase/?schema=current").content.decode()
    assert ops.get("/console/tenancy/userdatabase/ada/change/").status_code == 200
    UserDatabase.objects.filter(pk="ada").update(schema_version=99)


def test_a_deleted_user_shows_no_size(ops, ada):
    UserDatabase.objects.create(
        created_at=timezone.now(),
        updated_at=timezone.now(),
        user_id="gone",
        db_name="mem_u_00112233445566aa",
        server=ada.server,
        status=State.DELETED,
    )
    assert "no database" in ops.get("/console/tenancy/userdatabase/").content.decode()
    UserDatabase.objects.filter(pk="gone").delete()


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("suspend", State.ACTIVE, State.SUSPENDED),
        ("reactivate", State.SUSPENDED, State.ACTIVE),
        ("upgrade", State.ACTIVE, State.ACTIVE),
        ("suspend", State.DELETED, State.DELETED),
    ],
)
def test_actions(ops, ada, ben, action, before, after):
    UserDatabase.objects.filter(pk="ada").update(status=before)
    answer = ops.post(
        "/console/tenancy/userdatabase/", {"action": action, "_selected_action": ["ada"]}, follow=True
    )
    assert answer.status_code == 200
    assert UserDatabase.objects.get(pk="ada").status == after
    assert UserDatabase.objects.get(pk="ben").status == State.ACTIVE


def test_a_new_key_is_shown_once_and_works_until_revoked(ops, make_user):
    page = ops.post(
        "/console/accounts/apikey/add/",
        {"user_id": "ada", "name": "laptop", "expires_at_0": "", "expires_at_1": ""},
        follow=True,
    ).content.decode()
    (raw_key,) = set(re.findall(r"sk-[0-9a-f]{32}", page))
    key = ApiKey.objects.get()
    assert (key.user_id, key.name, key.key_prefix) == ("ada", "laptop", raw_key[:12])
    listed = ops.get("/console/accounts/apikey/").content.decode()
    assert raw_key[:12] in listed
    assert raw_key not in listed
    assert key.key_hash not in ops.get(f"/console/accounts/apikey/{key.pk}/change/").content.decode()
    caller = Client(headers={"Authorization": f"Bearer {raw_key}"})
    assert caller.get("/v1/memories").status_code == 200
    ops.post("/console/accounts/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert caller.get("/v1/memories").status_code == 401


def test_a_key_for_an_impossible_user_is_refused_on_the_form(ops):
    page = ops.post("/console/accounts/apikey/add/", {"user_id": "grp_1", "name": "x"}).content.decode()
    assert "reserved prefix" in page
    assert not ApiKey.objects.exists()


def test_keys_and_databases_cannot_be_deleted_by_hand(ops, ada):
    assert ops.get("/console/tenancy/userdatabase/ada/delete/").status_code == 403
    assert ops.get("/console/tenancy/userdatabase/add/").status_code == 403
