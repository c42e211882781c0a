"""With --fail-fast nobody else is begun once a user has failed; without it everybody is tried."""

import pytest

from tests import engine
from tests.apps.legacy.deployment import SEVERAL_PROCESSES, SEVERAL_THREADS, USERS, Deployment

one_pair = pytest.mark.parametrize(
    "deployment", ["mariadb" if engine.SERVER is not None else "sqlite"], indirect=True
)


def begun(deployment: Deployment) -> int:
    (count,) = deployment.control("SELECT COUNT(*) FROM mem_migrated_users")[0]
    return int(count)


@one_pair
@pytest.mark.parametrize(
    ("at_once", "before"),
    [(1, ""), (2, SEVERAL_PROCESSES), (3, SEVERAL_THREADS)],
    ids=["one", "processes", "threads"],
)
def test_nobody_is_begun_after_the_first_failure(deployment: Deployment, at_once: int, before: str) -> None:
    # W-51: all fail here, so that as many are begun as are at work at once
    options = ("--fail-fast", "--concurrency", str(at_once))
    deployment.write("UPDATE mem_retrieval_feedback SET memory_id = ''")
    said = deployment.migrate("copy", *options, code=4, before=before)
    assert begun(deployment) == at_once
    assert f"--fail-fast: {USERS - at_once} users were not begun" in said
    assert said.count("rows of the old database cannot be carried") == at_once
    deployment.write("DELETE FROM mem_retrieval_feedback")
    deployment.migrate("copy", before=before)
    deployment.write("UPDATE mem_memories SET content = 'changed after the copy'")
    said = deployment.migrate("verify", *options, code=5, before=before)
    assert f"--fail-fast: {USERS - at_once} users were not begun" in said
    assert said.count("mem_memories: the contents differ") == at_once


@one_pair
def test_without_it_everybody_is_tried(deployment: Deployment) -> None:
    deployment.write("UPDATE mem_retrieval_feedback SET memory_id = '' WHERE user_id = 'Ada'")
    said = deployment.migrate("copy", "--concurrency", "2", code=4, before=SEVERAL_PROCESSES)
    assert begun(deployment) == USERS
    assert "were not begun" not in said
    assert f"copied {USERS - 1} users" in said
