"""When a user's memories were last tended. The work itself owns no data."""

from django.db import models

from apps.tenancy.fields import BytewiseField


class Cooldown(models.Model):
    """The last run of an operation for a user; a row is claimed before the run, so that two never run at once."""

    user_id = BytewiseField(max_length=64)
    operation = models.CharField(max_length=32)
    last_run_at = models.DateTimeField()

    class Meta:
        db_table = "mem_governance_cooldown"
        constraints = (
            models.UniqueConstraint(fields=["user_id", "operation"], name="cooldown_user_operation"),
        )

    def __str__(self) -> str:
        return f"{self.operation} of {self.user_id}"


class HygieneFigures(models.Model):
    """What could be tidied up in one user's database, as it was counted last."""

    user_id = BytewiseField(primary_key=True, max_length=64)
    counted_at = models.DateTimeField()
    error = models.CharField(max_length=64, blank=True, default="")
    """Why the last count failed; the numbers are those of the one before."""
    inactive_memories = models.BigIntegerField(default=0)
    stale_working_memories = models.BigIntegerField(default=0)
    orphan_links = models.BigIntegerField(default=0)
    orphan_entities = models.BigIntegerField(default=0)
    orphan_stats = models.BigIntegerField(default=0)

    class Meta:
        db_table = "mem_hygiene_figures"
        indexes = (models.Index(fields=["counted_at"], name="hygiene_counted_at"),)

    def __str__(self) -> str:
        return self.user_id
