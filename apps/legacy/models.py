"""The ledger of a migration from a shared database: how far each user is. On the control plane."""

from django.db import models

from apps.tenancy.fields import BytewiseField


class Phase(models.TextChoices):
    """How far one user is; each phase may be entered again by repeating its command."""

    COPYING = "copying"
    COPIED = "copied"
    VERIFIED = "verified"
    ACTIVE = "active"


class Migration(models.Model):
    """One old database. `lease_holder` is the process at work on it now."""

    source = BytewiseField(max_length=255, unique=True)
    identity = models.CharField(max_length=64, blank=True, default="")
    """What the old database says of itself: its URL may be spelt in several ways."""
    started_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True)
    """The completion marker: the first cutover."""
    lease_holder = models.CharField(max_length=128, blank=True, default="")
    lease_until = models.DateTimeField(null=True)
    lease_number = models.BigIntegerField(default=0)
    """Grows with every lease: what an earlier one still writes is told by it."""

    class Meta:
        db_table = "mem_migrations"

    def __str__(self) -> str:
        return self.source


class MigratedUser(models.Model):
    """One user of the old database whose target this migration made."""

    user_id = BytewiseField(primary_key=True, max_length=64)
    migration = models.ForeignKey(Migration, on_delete=models.CASCADE)
    phase = models.CharField(max_length=16, choices=Phase)
    seq = models.BigIntegerField(default=0)
    """The target's clock after the last copy; a higher one means that it was written to since."""
    source_digest = models.CharField(max_length=64, blank=True, default="")
    """Of the old rows that were copied last."""
    target_digest = models.CharField(max_length=64, blank=True, default="")
    """Of the target when it was last verified."""
    content_digest = models.CharField(max_length=64, blank=True, default="")
    """The same without what changes by itself while somebody is served: another one means that it was written to."""
    sealed = models.JSONField(default=dict)
    """Count and sums of each table of the target as the last copy left it, until the user is in service."""
    copier = models.BigIntegerField(default=0)
    """The fence of whoever copies, or copied last; the same number stands in the target."""
    rows = models.BigIntegerField(default=0)
    attempts = models.IntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "mem_migrated_users"
        indexes = (models.Index(fields=["migration", "phase"], name="migrated_users_phase"),)

    def __str__(self) -> str:
        return self.user_id


class Work(models.Model):
    """One user's part of a phase that a command has given to the workers; gone when the command has read it."""

    run = models.CharField(max_length=32)
    migration = models.ForeignKey(Migration, on_delete=models.CASCADE)
    user_id = BytewiseField(max_length=64)
    phase = models.CharField(max_length=16)
    options = models.JSONField()
    lease = models.BigIntegerField(default=0)
    """Number of the command's lease: no worker goes on for a command that has lost it."""
    attempt = models.IntegerField(default=0)
    worker = models.CharField(max_length=64, blank=True, default="")
    beat_at = models.DateTimeField(null=True)
    """When the worker last said that it is at it; None while nobody is."""
    rows = models.BigIntegerField(default=0)
    """Read so far."""
    outcome = models.JSONField(null=True)

    class Meta:
        db_table = "mem_migration_work"
        indexes = (models.Index(fields=["run"], name="migration_work_run"),)

    def __str__(self) -> str:
        return f"{self.phase} {self.user_id}"
