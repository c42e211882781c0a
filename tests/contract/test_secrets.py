"""Passwords and keys reach no answer, no log, no page and no traceback, whatever goes wrong."""

import subprocess
from urllib.parse import quote

import pytest

from tests import engine
from tests.running import START_SECONDS, start_server

EMBEDDING_KEY = "sk-embed/9f$3:very@secret"
REDIS_PASSWORD = "red1s:p@ss/word#"


def spellings(*secrets: str) -> list[str]:
    return [form for secret in secrets for form in (secret, quote(secret), quote(secret, safe=""))]


def output_of(server) -> str:
    return server.log.read_text(errors="replace")


@pytest.fixture
def broken(tmp_path):
    """A server whose embedding endpoint and Redis are out of reach, with secrets in every setting."""
    url = None
    if engine.SERVER is not None:
        engine.SERVER.execute("CREATE DATABASE IF NOT EXISTS memoria_secrets")
        url = engine.SERVER.url("memoria_secrets")
    server = start_server(
        tmp_path,
        database_url=url,
        EMBEDDING_PROVIDER="openai",
        EMBEDDING_BASE_URL="http://127.0.0.1:9/v1",
        EMBEDDING_API_KEY=EMBEDDING_KEY,
        EMBEDDING_DIM=8,
        EMBEDDING_MODEL="any",
        MEMORIA_EMBEDDING_TIMEOUT_SECONDS=0.3,
        MEMORIA_REDIS_URL=f"redis://:{quote(REDIS_PASSWORD, safe='')}@127.0.0.1:9/0",
        MEMORIA_LOG_LEVEL="DEBUG",
    )
    yield server
    server.stop()


def test_no_secret_shows_when_things_go_wrong(broken):
    ops = broken.client()
    ada = broken.client(ops.post("/auth/keys", json={"user_id": "ada", "name": "x"}).json()["raw_key"])
    answers = [
        ada.post("/v1/memories", json={"content": "stored without its vector"}),
        ada.post("/v1/memories/retrieve", json={"query": "stored", "explain": "analyze"}),
        ada.get("/v1/memories", params={"limit": "x"}),
        ada.get("/health/instance"),
        ops.get("/v1/memories/nobody"),
        broken.client("wrong").get("/v1/memories"),
        broken.client("").get("/console/login/"),
    ]
    failing = broken.manage("migrate_users", "--user", "nobody", check=False)
    shown = [answer.text for answer in answers] + [failing.stdout, failing.stderr, output_of(broken)]
    secrets = [EMBEDDING_KEY, REDIS_PASSWORD, broken.master_key]
    if engine.SERVER is not None:
        secrets.append(engine.SERVER.password)
    raw_key = str(ada.headers["authorization"]).removeprefix("Bearer ")
    for text in shown:
        assert not [form for form in spellings(*secrets, raw_key) if form in text]


@pytest.mark.mysql_only(reason="a password of the database")
def test_a_wrong_database_password_is_not_repeated(tmp_path, server):
    wrong = "wr@ng:p/w?#%40"
    url = server.environment["MEMORIA_DATABASE_URL"].replace(quote(engine.SERVER.password, safe=""), "{}")
    assert "{}" in url
    environment = {
        **server.environment,
        "MEMORIA_DATA_DIR": str(tmp_path),
        "MEMORIA_DATABASE_URL": url.format(quote(wrong, safe="")),
    }
    for command in (["serve"], ["migrate"], ["migrate_users", "--check"], ["check", "--database", "default"]):
        done = subprocess.run(
            [".venv/bin/python", "manage.py", *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        assert done.returncode != 0
        assert "Access denied" in done.stderr
        assert not [form for form in spellings(wrong) if form in done.stdout + done.stderr]


@pytest.mark.parametrize(
    "settings",
    [
        {"MEMORIA_DATABASE_URL": "mysql://u:s3cret-pw@/memoria?ssl=maybe"},
        {"MEMORIA_DATABASE_URL": "postgres://u:s3cret-pw@localhost/memoria"},
        {"MEMORIA_USER_SERVERS": "eu=mysql://u:s3cret-pw@localhost:port/"},
        {
            "EMBEDDING_PROVIDER": "openai",
            "EMBEDDING_ENDPOINTS": '[{"url": "http://x", "api_key": "s3cret-pw"',
        },
    ],
)
def test_a_setting_that_cannot_be_read_is_named_without_its_secret(tmp_path, settings):
    environment = {"MEMORIA_DATA_DIR": str(tmp_path), "MASTER_KEY": "0123456789abcdef", **settings}
    done = subprocess.run(
        [".venv/bin/python", "manage.py", "serve"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0, done.stdout
    name = next(iter(reversed(settings)))
    assert name in done.stderr
    assert "s3cret-pw" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
