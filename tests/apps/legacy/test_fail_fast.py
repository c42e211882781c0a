"""With --fail-fast nobody else is begun once a user has failed; without it everybody is tried."""

import pytest

from tests import engine
from tests.apps.legacy.deployment import SEVERAL_PROCESSES, USERS, Deployment

one_pair = pytest.mark.parametrize(
    "deployment", ["mariadb" if engine.SERVER is not None else "sqlite"], indirect=True
)


def begun(deployment: Deployment) -> int:
    (count,) = deployment.control("SELECT COUNT(*) FROM mem_migrated_users")[0]
    return int(count)


@one_pair
@pytest.mark.parametrize("processes", [1, 2])
def test_nobody_is_begun_after_the_first_failure(deployment: Deployment, processes: int) -> None:
    # W-51: all fail here, so that as many are begun as there are processes
    before = SEVERAL_PROCESSES if processes > 1 else ""
    options = ("--fail-fast", "--concurrency", str(processes))
    deployment.write("UPDATE mem_retrieval_feedback SET memory_id = ''")
    said = deployment.migrate("copy", *options, code=4, before=before)
    assert begun(deployment) == processes
    assert f"--fail-fast: {USERS - processes} users were not begun" in said
    assert said.count("rows of the old database cannot be carried") == processes
    deployment.write("DELETE FROM mem_retrieval_feedback")
    deployment.migrate("copy", before=before)
    deployment.write("UPDATE mem_memories SET content = 'changed after the copy'")
    said = deployment.migrate("verify", *options, code=5, before=before)
    assert f"--fail-fast: {USERS - processes} users were not begun" in said
    assert said.count("mem_memories: the contents differ") == processes


@one_pair
def test_without_it_everybody_is_tried(deployment: Deployment) -> None:
    deployment.write("UPDATE mem_retrieval_feedback SET memory_id = '' WHERE user_id = 'Ada'")
    said = deployment.migrate("copy", "--concurrency", "2", code=4, before=SEVERAL_PROCESSES)
    assert begun(deployment) == USERS
    assert "were not begun" not in said
    assert f"copied {USERS - 1} users" in said
