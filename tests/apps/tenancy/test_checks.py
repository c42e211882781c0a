"""The system checks: each finds what it is for, and says what to do about it."""

import pytest
from django.core import checks
from django.core.checks import Tags
from django.db import connection

from apps.memories import embedding


def found(**options):
    return {message.id: message for message in checks.run_checks(**options)}


def test_a_sound_installation_has_nothing_to_say(db):
    assert not [m for m in found(databases=["default"]) if m.startswith("memoria.")]


def test_a_data_directory_that_cannot_be_written(db, settings, tmp_path, monkeypatch):
    settings.MEMORIA_DATA_DIR = tmp_path
    monkeypatch.setattr("os.access", lambda *_: False)
    message = found(tags=[Tags.database], databases=["default"])["memoria.E001"]
    assert str(tmp_path) in message.msg
    assert "MEMORIA_DATA_DIR" in message.hint


def test_transactions_around_requests(settings, monkeypatch):
    monkeypatch.setitem(settings.DATABASES["default"], "ATOMIC_REQUESTS", True)
    assert "ATOMIC_REQUESTS" in found()["memoria.E002"].hint


def test_open_mode(settings):
    settings.MEMORIA_OPEN_MODE = True
    assert found()["memoria.W001"].is_serious() is False


def test_an_embedder_that_cannot_be_made(settings):
    settings.MEMORIA_EMBEDDING_PROVIDER, settings.MEMORIA_EMBEDDING_ENDPOINTS = (
        "openai",
        '[{"api_key": "s3cret"',
    )
    embedding.embedder.cache_clear()
    try:
        message = found()["memoria.E004"]
    finally:
        embedding.embedder.cache_clear()
    assert "EMBEDDING_ENDPOINTS" in message.msg
    assert "s3cret" not in message.msg


@pytest.mark.mysql_only(reason="a limit of the server")
def test_more_connections_than_the_server_allows(db, settings):
    settings.MEMORIA_WORKERS = 64
    options = {"tags": [Tags.database], "databases": ["default"], "include_deployment_checks": True}
    assert "MEMORIA_WORKERS" in found(**options)["memoria.E003"].hint
    settings.MEMORIA_WORKERS = 1
    assert "memoria.E003" not in found(**options)
    assert connection.vendor == "mysql"
