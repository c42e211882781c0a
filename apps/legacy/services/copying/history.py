"""The commits that a migrated user begins with: old rows say when a branch was made, and nothing else of history."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from apps.legacy import mapping
from apps.legacy.services.copying.run import Run
from apps.legacy.source import Row
from apps.memories.models import MAIN_BRANCH, Clock, Commit, Memory
from apps.tenancy import sql

ACTOR = "migration"


def born(created: datetime, forks: Sequence[datetime]) -> int:
    """Memories made after a branch are not to be seen from it: main's history has a commit for each branch."""
    return 1 + sum(created > fork for fork in forks)


def history_write(run: Run, branches: list[Row]) -> int:
    """A commit for each branch point, one for the rest of main, one for each branch's own rows. Returns the last."""
    seq = 2 * len(branches) + 1
    mains = len(branches) + 1
    forks = [mapping.made_at(branch) for branch in branches]
    commits = []
    for number in range(1, seq + 1):
        on = MAIN_BRANCH if number <= mains else MAIN_BRANCH + number - mains
        at = forks[number - 1] if number < mains else run.now
        commits.append(Commit(seq=number, branch_id=on, operation="migrate", actor_id=ACTOR, created_at=at))
    run.write(partial(_write, run, commits, seq))
    return seq


def _write(run: Run, commits: list[Commit], seq: int) -> None:
    Commit.objects.all().delete()
    sql.insert(commits)
    active = Memory.objects.filter(is_active=True).count()
    Clock.objects.update(seq=seq, active_count=active, horizon=seq, ticked_at=run.now)
