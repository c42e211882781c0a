"""Tending one user's memories: forgetting what has faded, tidying up, and finding what deserves a reflection."""

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

import numpy as np
from django.db import IntegrityError, transaction

from apps.governance.models import Cooldown
from apps.graph.selectors import memories_by_entity
from apps.graph.services import orphans_drop
from apps.memories.models import Memory, MemoryStats, Revision
from apps.memories.records import MemoryRecord, record
from apps.memories.view import MAIN
from apps.tenancy.scope import current_route, release_connection
from apps.versioning.services.collect import collect
from apps.versioning.services.purge import Purge, memories_purge
from memoria import decay
from memoria.contradiction import frame
from memoria.decisions import disagree
from memoria.segments import TIERS
from memoria.types import MemoryType, TrustTier

# Confidence that has faded below this is as good as none.
FADED = 0.2
ROWS_PER_READ = 500
CLUSTER_MEMORIES, CLUSTER_SESSIONS = 3, 2
NEWEST = 50


class Operation(StrEnum):
    GOVERNANCE = "governance"
    CONSOLIDATE = "consolidate"
    REFLECT = "reflect"


COOLDOWN = {
    Operation.GOVERNANCE: timedelta(seconds=3600),
    Operation.CONSOLIDATE: timedelta(seconds=1800),
    Operation.REFLECT: timedelta(seconds=7200),
}


def cooldown_claim(*, operation: Operation, now: datetime, force: bool) -> int:
    """Claim a run for the open user. Returns 0, or the seconds that are left before another may run."""
    user_id, least = current_route().user_id, now - COOLDOWN[operation]
    release_connection()  # the claim stands in the control plane
    rows = Cooldown.objects.filter(user_id=user_id, operation=operation)
    due = rows if force else rows.filter(last_run_at__lte=least)
    if due.update(last_run_at=now):
        return 0
    try:
        with transaction.atomic():
            Cooldown.objects.create(user_id=user_id, operation=operation, last_run_at=now)
    except IntegrityError:  # somebody ran it, or is running it
        last = rows.values_list("last_run_at", flat=True).first()
        return max(1, round((last - least).total_seconds())) if last is not None else 1
    return 0


def cooldown_left(*, operation: Operation, now: datetime) -> int:
    """Seconds until the open user may have another run, 0 where they may have it now."""
    user_id = current_route().user_id
    release_connection()
    last = (
        Cooldown.objects.filter(user_id=user_id, operation=operation)
        .values_list("last_run_at", flat=True)
        .first()
    )
    left = (last + COOLDOWN[operation] - now).total_seconds() if last is not None else 0
    return max(1, round(left)) if left > 0 else 0


@dataclass(frozen=True, slots=True)
class Tended:
    quarantined: int
    cleaned_stale: int
    orphan_graph_cleaned: int
    restore_point: str | None


def memories_tend(*, actor_id: str, now: datetime) -> Tended:
    """Forget main's memories whose confidence has faded, drop what no view can reach, and links to nothing.

    Forgetting is a purge like any other: a commit, an audit row per memory, and a restore point to undo it.
    """
    faded = tuple(_faded(now))
    point = None
    if faded:
        purged = memories_purge(
            wanted=Purge(memory_ids=faded),
            view=MAIN,
            actor_id=actor_id,
            now=now,
            reason="governance:quarantine",
            must_exist=False,
        )
        faded, point = tuple(purged.memory_ids), purged.restore_point
    collected = collect(now=now)
    known = Memory.objects.values_list("memory_id", flat=True).union(
        Revision.objects.values_list("memory_id", flat=True)
    )
    return Tended(len(faded), collected.revisions, orphans_drop(known=set(known)), point)


def _faded(now: datetime) -> list[str]:
    """Ids of main's active memories whose effective confidence is below FADED."""
    found: list[str] = []
    rows = Memory.objects.filter(is_active=True)
    columns = rows.values_list("memory_id", "initial_confidence", "trust_tier", "observed_at").order_by(
        "memory_id"
    )
    batch = list(columns[:ROWS_PER_READ])
    while batch:
        ids, confidences, tiers, observed = zip(*batch, strict=True)
        repeated = dict(
            MemoryStats.objects.filter(pk__in=ids, last_repeated_at__isnull=False).values_list(
                "pk", "last_repeated_at"
            )
        )
        moments = [max(moment, repeated.get(i, moment)) for i, moment in zip(ids, observed, strict=True)]
        effective = decay.effective_confidence(
            np.array(confidences, dtype=np.float32),
            np.array([TIERS.index(TrustTier(tier)) for tier in tiers], dtype=np.int8),
            np.array([(now - moment) / timedelta(days=1) for moment in moments]),
        )
        found += [ids[place] for place in np.flatnonzero(effective < FADED)]
        batch = list(columns.filter(memory_id__gt=ids[-1])[:ROWS_PER_READ])
    return found


@dataclass(frozen=True, slots=True)
class Cluster:
    """Memories about one thing, over several sessions: worth a general insight."""

    signal: str
    importance: float
    memories: list[MemoryRecord]


def clusters_find() -> list[Cluster]:
    """Clusters among main's newest semantic memories, the most important first; no memory stands in two."""
    rows = Memory.objects.filter(is_active=True, memory_type=MemoryType.SEMANTIC).order_by("-memory_id")[
        :NEWEST
    ]
    newest = {row.memory_id: record(row) for row in rows}
    groups: dict[frozenset[str], None] = {}
    for memory_ids in memories_by_entity(memory_ids=list(newest)).values():
        groups[frozenset(memory_ids)] = None
    taken: set[str] = set()
    found = []
    for group in sorted(groups, key=lambda group: (-len(group), sorted(group))):
        memories = [newest[memory_id] for memory_id in sorted(group - taken)]
        sessions = {memory.session_id for memory in memories if memory.session_id is not None}
        if len(memories) >= CLUSTER_MEMORIES and len(sessions) >= CLUSTER_SESSIONS:
            taken |= group
            importance = round(min(1.0, 0.3 + 0.05 * len(memories) + 0.1 * len(sessions)), 2)
            found.append(Cluster("semantic_cluster", importance, memories))
    return sorted(found, key=lambda cluster: -cluster.importance)


def conflicts_find() -> list[tuple[str, str]]:
    """Pairs of main's active memories of one type and subject that differ in figures or a denial, and disagree."""
    groups: dict[Hashable, dict[Hashable, tuple[str, str]]] = defaultdict(dict)
    rows = Memory.objects.filter(is_active=True, memory_type__in=(MemoryType.SEMANTIC, MemoryType.PROFILE))
    for memory_id, content, kind, subject in (
        rows.order_by("memory_id")
        .values_list("memory_id", "content", "memory_type", "subject_id")
        .iterator(chunk_size=ROWS_PER_READ)
    ):
        if (said := frame(content)) is not None:
            same = groups[(kind, subject or "", said.words)]
            same.setdefault((said.figures, said.is_denied), (memory_id, content))
    return [
        (one, other)
        for firsts in groups.values()
        for (one, text), (other, other_text) in pairwise(firsts.values())
        if disagree(text, other_text)  # "outage 3" and "outage 4" differ in a figure, and both were
    ]
