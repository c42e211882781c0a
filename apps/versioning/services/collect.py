"""Garbage collection: drops what no view can reach any more, in bounded batches, each a transaction of its own."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from apps.memories.models import Clock, Commit, Embedding, MergeBase, Revision
from apps.tenancy.scope import user_atomic, user_connection
from apps.versioning.models import Branch, Snapshot, Status

BATCH = 2_000


@dataclass(frozen=True, slots=True)
class Collected:
    revisions: int
    embeddings: int
    commits: int
    merge_bases: int


def collect(*, now: datetime) -> Collected:
    """Drop deleted branches' rows, closed revisions that no pin and no recent reader needs, unused vectors,
    old commits.

    Pins are the moments of active snapshots and the forks of active branches. Everything since
    MEMORIA_HISTORY_DAYS stays, so that times within it can be read. Safe to stop anywhere and to repeat.
    """
    horizon = _advance_horizon(now - timedelta(days=settings.MEMORIA_HISTORY_DAYS))
    _forget_lines(horizon)
    return Collected(
        revisions=sum(_drop_branch_rows()) + sum(_drop_closed(horizon)),
        embeddings=sum(_drop_embeddings()),
        commits=sum(_drop_commits(horizon)),
        merge_bases=sum(_drop_merge_bases(horizon)),
    )


def _advance_horizon(before: datetime) -> int:
    """Decide how far back history stays readable, before anything goes. The clock's lock keeps forks out."""
    with user_atomic():
        clock = Clock.objects.select_for_update().get(pk=1)
        last = Commit.objects.filter(created_at__lte=before).order_by("-created_at", "-seq").first()
        if last is not None and last.seq > clock.horizon:
            clock.horizon = last.seq
            clock.save(update_fields=["horizon"])
        return clock.horizon


def _forget_lines(horizon: int) -> None:
    """Let go of lines that a refresh replaced before the horizon and that no snapshot shows: each pins what main was
    when it was forked.
    """
    with user_atomic():
        Clock.objects.select_for_update().get(pk=1)
        snapshots = sorted(Snapshot.objects.filter(status=Status.ACTIVE).values_list("seq", flat=True))
        lines = Branch.objects.exclude(previous_id=None).exclude(status=Status.DELETED).order_by("-fork_seq")
        for line in lines:
            previous = Branch.objects.get(pk=line.previous_id)
            while line.fork_seq <= horizon and not _holds(snapshots, previous.fork_seq, line.fork_seq):
                Branch.objects.filter(pk=previous.pk).update(status=Status.DELETED)
                Branch.objects.filter(pk=line.pk).update(previous_id=previous.previous_id)
                if previous.previous_id is None:
                    break
                previous = Branch.objects.get(pk=previous.previous_id)


def _drop_branch_rows() -> Iterator[int]:
    """All rows of deleted branches, for which no snapshot speaks: a branch can be read only while it is active."""
    while True:
        with user_atomic():
            dead = Branch.objects.filter(status=Status.DELETED).values_list("id", flat=True)
            ids = Revision.objects.filter(branch_id__in=list(dead)).values_list("id", flat=True)[:BATCH]
            dropped = _delete(Revision, list(ids))
        if not dropped:
            return
        yield dropped


def _drop_closed(horizon: int) -> Iterator[int]:
    """Closed revisions whose interval holds no pin and ended at the horizon or before.

    The pins are read anew under the clock's lock for every batch: a snapshot may have been made meanwhile, and
    forking from a moment needs that lock too.
    """
    after = 0
    while True:
        with user_atomic():
            Clock.objects.select_for_update().get(pk=1)
            pins = _pins()
            rows = list(
                Revision.objects.filter(died__lte=horizon, id__gt=after)
                .order_by("id")
                .values_list("id", "born", "died")[:BATCH]
            )
            _delete(Revision, [pk for pk, born, died in rows if not _holds(pins, born, died)])
        if not rows:
            return
        after = rows[-1][0]
        yield sum(not _holds(pins, born, died) for _, born, died in rows)


def _pins() -> list[int]:
    snapshots = Snapshot.objects.filter(status=Status.ACTIVE).values_list("seq", flat=True)
    branches = Branch.objects.exclude(status=Status.DELETED).values_list("fork_seq", flat=True)
    return sorted({*snapshots, *branches})


def _holds(pins: list[int], born: int, died: int) -> bool:
    """Whether a pin lies in born <= pin < died."""
    at = bisect_left(pins, born)
    return at < len(pins) and pins[at] < died


_UNUSED = """
SELECT e.id FROM mem_embeddings e
WHERE e.id > %s AND e.id <= %s
AND NOT EXISTS (SELECT 1 FROM mem_memories m WHERE m.embedding_id = e.id)
AND NOT EXISTS (SELECT 1 FROM mem_revisions r WHERE r.embedding_id = e.id)
"""


def _drop_embeddings() -> Iterator[int]:
    newest = Embedding.objects.order_by("-id").values_list("id", flat=True).first() or 0
    for start in range(0, newest, BATCH):
        with user_atomic(), user_connection().cursor() as cursor:
            Clock.objects.select_for_update().get(pk=1)  # nobody is about to refer to a vector we look at
            cursor.execute(_UNUSED, [start, min(start + BATCH, newest)])
            yield _delete(Embedding, [pk for (pk,) in cursor.fetchall()])


def _drop_commits(horizon: int) -> Iterator[int]:
    """Commits before the horizon; the one at it stays, so that times up to now can be placed."""
    while True:
        with user_atomic():
            seqs = list(
                Commit.objects.filter(seq__lt=horizon).order_by("seq").values_list("seq", flat=True)[:BATCH]
            )
            Commit.objects.filter(seq__in=seqs).delete()
        if not seqs:
            return
        yield len(seqs)


def _drop_merge_bases(horizon: int) -> Iterator[int]:
    """What only going back beyond the oldest snapshot and the horizon would ask for, and all of deleted branches."""
    while True:
        with user_atomic():
            Clock.objects.select_for_update().get(pk=1)
            snapshots = Snapshot.objects.filter(status=Status.ACTIVE).values_list("seq", flat=True)
            oldest = min([horizon, *snapshots])
            dead = list(Branch.objects.filter(status=Status.DELETED).values_list("id", flat=True))
            unused = MergeBase.objects.filter(Q(seq__lte=oldest) | Q(branch_id__in=dead))
            dropped = _delete(MergeBase, list(unused.values_list("id", flat=True)[:BATCH]))
        if not dropped:
            return
        yield dropped


def _delete(model: type[Revision] | type[Embedding] | type[MergeBase], ids: list[int]) -> int:
    if ids:
        model.objects.filter(pk__in=ids).delete()
    return len(ids)
