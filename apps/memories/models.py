"""Tables of one user's database: main's current memories, all other revisions, and what belongs to a memory.

Main's present rows are `Memory`; everything that is not "main, now" is `Revision`, with an interval of
commits in which it was true. Only apps.memories.commits writes either of them. Rows are named by `memory_id`
outside their table.
"""

from django.db import models

from apps.tenancy.fields import BytewiseField
from apps.tenancy.user_plane import UserModel

MAIN_BRANCH = 1
# `died` of a revision that is still true.
OPEN = 2**63 - 1


class Clock(UserModel):
    """One row. Every write ticks `seq` first, so its row lock serialises the writers of one user.

    `ticked_at` never goes back, so that times and commits are in one order.
    `active_count` counts main's active memories; before `horizon` only pinned states can still be read.
    """

    id = models.IntegerField(primary_key=True)
    seq = models.BigIntegerField(default=0)
    active_count = models.BigIntegerField(default=0)
    horizon = models.BigIntegerField(default=0)
    ticked_at = models.DateTimeField()
    copier = models.BigIntegerField(default=0)
    """Who last brought rows here from an old server: one with a smaller number may write no more."""

    class Meta:
        db_table = "mem_clock"


class Commit(UserModel):
    """One write transaction on memories."""

    seq = models.BigIntegerField(primary_key=True)
    branch_id = models.BigIntegerField()
    operation = models.CharField(max_length=32)
    actor_id = BytewiseField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "mem_commits"
        indexes = (models.Index(fields=["created_at"], name="commits_created"),)


class Embedding(UserModel):
    """Vectors of one text under one model: one per passage, float16, row after row. Immutable, shared by
    revisions.
    """

    content_hash = BytewiseField(max_length=32)
    model = BytewiseField(max_length=100)
    dim = models.IntegerField()
    vector = models.BinaryField()

    class Meta:
        db_table = "mem_embeddings"
        indexes = (models.Index(fields=["content_hash", "model"], name="embeddings_text"),)


class MemoryColumns(UserModel):
    """What is versioned, plus what is derived from it."""

    memory_id = BytewiseField(max_length=64)
    user_id = BytewiseField(max_length=64)
    author_id = BytewiseField(max_length=64, null=True)
    subject_id = BytewiseField(max_length=128, null=True)
    session_id = BytewiseField(max_length=64, null=True)
    memory_type = models.CharField(max_length=20)
    content = models.TextField()
    trust_tier = models.CharField(max_length=10)
    initial_confidence = models.FloatField()
    is_active = models.BooleanField(default=True)
    superseded_by = BytewiseField(max_length=64, null=True)
    source_event_ids = models.JSONField(default=list)
    extra_metadata = models.JSONField(null=True)
    observed_at = models.DateTimeField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(null=True)

    # Derived from the content, and travelling with it.
    content_hash = BytewiseField(max_length=32)
    search_text = models.TextField()
    embedding_id = models.BigIntegerField(null=True)

    born = models.BigIntegerField()
    digest = models.BigIntegerField(null=True)

    class Meta:
        abstract = True


class Memory(MemoryColumns):
    """A memory of main as it is now."""

    class Meta:
        db_table = "mem_memories"
        constraints = (models.UniqueConstraint(fields=["memory_id"], name="memories_memory_id"),)
        indexes = (
            models.Index(fields=["is_active", "memory_id", "born"], name="memories_active"),
            models.Index(fields=["is_active", "memory_type", "born"], name="memories_type"),
            models.Index(fields=["session_id"], name="memories_session"),
            models.Index(fields=["subject_id"], name="memories_subject"),
            models.Index(fields=["content_hash"], name="memories_content"),
            models.Index(fields=["born"], name="memories_born"),
            models.Index(fields=["embedding_id"], name="memories_embedding"),
            models.Index(fields=["superseded_by"], name="memories_superseded"),
        )


class Revision(MemoryColumns):
    """A memory as it was on main, or as a branch has it; true for born <= commit < died."""

    branch_id = models.BigIntegerField()
    died = models.BigIntegerField()
    base = models.BigIntegerField(null=True)
    absent = models.SmallIntegerField(default=0)

    class Meta:
        db_table = "mem_revisions"
        constraints = (
            models.UniqueConstraint(fields=["branch_id", "memory_id", "died"], name="revisions_interval"),
        )
        indexes = (
            models.Index(fields=["branch_id", "died", "born"], name="revisions_alive"),
            models.Index(
                fields=["branch_id", "is_active", "memory_id", "died", "born"], name="revisions_active"
            ),
            models.Index(fields=["branch_id", "content_hash"], name="revisions_content"),
            models.Index(fields=["branch_id", "session_id"], name="revisions_session"),
            models.Index(fields=["embedding_id"], name="revisions_embedding"),
            models.Index(fields=["superseded_by"], name="revisions_superseded"),
        )


class MergeBase(UserModel):
    """What the merge base of a branch's row was until commit `seq` moved it, so that going back can move it back."""

    branch_id = models.BigIntegerField()
    memory_id = BytewiseField(max_length=64)
    seq = models.BigIntegerField()
    base = models.BigIntegerField(null=True)

    class Meta:
        db_table = "mem_merge_bases"
        indexes = (models.Index(fields=["seq"], name="merge_bases_seq"),)


class MemoryStats(UserModel):
    """What happens to a memory without changing it; not versioned, shared by all branches."""

    memory_id = BytewiseField(primary_key=True, max_length=64)
    access_count = models.IntegerField(default=0)
    last_accessed_at = models.DateTimeField(null=True)
    feedback_useful = models.IntegerField(default=0)
    feedback_irrelevant = models.IntegerField(default=0)
    feedback_outdated = models.IntegerField(default=0)
    feedback_wrong = models.IntegerField(default=0)
    last_feedback_at = models.DateTimeField(null=True)
    repeat_count = models.IntegerField(default=0)
    last_repeated_at = models.DateTimeField(null=True)
    """When the same was said again: what is repeated does not fade."""

    class Meta:
        db_table = "mem_memories_stats"


class Relation(UserModel):
    """Two memories that may contradict each other, as noticed when the later one was written. Of all branches."""

    memory_id = BytewiseField(max_length=64)
    other_id = BytewiseField(max_length=64)
    reason = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "mem_memory_relations"
        constraints = (models.UniqueConstraint(fields=["memory_id", "other_id"], name="relations_pair"),)
        indexes = (models.Index(fields=["other_id"], name="relations_other"),)


class EditLog(UserModel):
    """The audit trail: append-only, written with the change it describes, never rolled back."""

    edit_id = BytewiseField(primary_key=True, max_length=64)
    user_id = BytewiseField(max_length=64)
    memory_id = BytewiseField(max_length=64, null=True)
    operation = models.CharField(max_length=64)
    payload = models.JSONField(null=True)
    reason = models.TextField(blank=True, default="")
    snapshot_before = BytewiseField(max_length=100, null=True)
    seq = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    created_by = BytewiseField(max_length=64)

    class Meta:
        db_table = "mem_edit_log"
        indexes = (
            models.Index(fields=["created_at"], name="edit_log_created"),
            models.Index(fields=["memory_id", "created_at"], name="edit_log_memory"),
            models.Index(fields=["seq"], name="edit_log_seq"),
        )
