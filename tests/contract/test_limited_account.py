"""The rights that docs/configuration.md and the compose file give are enough, and no more are needed."""

import re
from pathlib import Path

import pytest

from tests import engine
from tests.running import ROOT, start_server

pytestmark = pytest.mark.mysql_only(reason="accounts of a database server")


def granted(text: str) -> list[str]:
    """The GRANT statements of a file, for the account of this test."""
    statements = re.findall(r"GRANT .+? TO 'memoria'@'%'", text)
    return [statement.replace("'memoria'@'%'", "limited@localhost") for statement in statements]


@pytest.mark.parametrize("source", ["docs/configuration.md", "docker/grant-user-databases.sql"])
def test_an_account_with_the_documented_rights_serves(tmp_path, source):
    statements = granted(Path(ROOT, source).read_text())
    assert statements
    # The image makes the account with all rights on the database it was told to create.
    statements.append("GRANT ALL PRIVILEGES ON `limited`.* TO limited@localhost")
    engine.SERVER.execute(
        "DROP USER IF EXISTS limited@localhost; CREATE DATABASE limited;"
        " CREATE USER limited@localhost IDENTIFIED BY 'pw'; " + "; ".join(statements)
    )
    url = f"mysql://limited:pw@localhost/limited?unix_socket={engine.SERVER.socket}"
    try:
        server = start_server(tmp_path, database_url=url)
        try:
            ada = server.user("ada")
            stored = ada.post("/v1/memories", json={"content": "kept with few rights"})
            assert stored.status_code == 201, stored.text
            assert ada.post("/v1/snapshots", json={"name": "one"}).status_code == 201
            assert ada.post("/v1/branches", json={"name": "two"}).status_code == 201
            found = ada.post("/v1/memories/retrieve", json={"query": "few rights"}).json()
            assert len(found["results"] if isinstance(found, dict) else found) == 1
        finally:
            server.stop()
    finally:
        engine.SERVER.execute("DROP DATABASE limited; DROP USER limited@localhost")
