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
