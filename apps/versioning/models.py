"""Snapshots and branches of one user: each is a number on the clock, plus what the branch itself changed."""

from django.db import models

from apps.tenancy.fields import BytewiseField
from apps.tenancy.user_plane import UserModel


class Status(models.TextChoices):
    ACTIVE = "active"
    REPLACED = "replaced"
    DELETED = "deleted"


class Branch(UserModel):
    """A line of memories forked from main. Row 1 is main itself.

    `live_name` equals the name while the branch is active and is NULL afterwards, so that the unique index means "one
    active namesake": NULLs never collide. A refresh makes a new row of the name; the one it replaces is `previous_id`
    and stays what the name meant before `fork_seq`.
    """

    user_id = BytewiseField(max_length=64)
    name = BytewiseField(max_length=100)
    live_name = BytewiseField(max_length=100, null=True, unique=True)
    fork_seq = models.BigIntegerField()
    previous_id = models.BigIntegerField(null=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    created_by = BytewiseField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "mem_branches"


class Kind(models.TextChoices):
    """Named snapshots count towards the limit; automatic restore points and milestones are kept by a rule."""

    NAMED = "named"
    AUTOMATIC = "automatic"
    MILESTONE = "milestone"


class Snapshot(UserModel):
    """All memories, of every branch, as they were at commit `seq`."""

    user_id = BytewiseField(max_length=64)
    name = BytewiseField(max_length=100)
    snapshot_name = BytewiseField(max_length=100)
    live_name = BytewiseField(max_length=100, null=True, unique=True)
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.NAMED)
    extra = models.JSONField(default=dict)
    status = models.CharField(max_length=20, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "mem_snapshots"
        indexes = (
            models.Index(fields=["status", "seq"], name="snapshots_seq"),
            models.Index(fields=["status", "kind", "created_at"], name="snapshots_kind"),
        )


class UserState(UserModel):
    """The branch a person has checked out."""

    user_id = BytewiseField(primary_key=True, max_length=64)
    active_branch = BytewiseField(max_length=100)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "mem_user_state"
