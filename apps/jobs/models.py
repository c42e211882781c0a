"""What runs in the background, as rows: when schedules are due next. The broker only carries wake-ups."""

from django.db import models

from apps.tenancy.fields import BytewiseField


class Schedule(models.Model):
    """A task that runs again and again. `next_due_at` survives restarts."""

    name = BytewiseField(primary_key=True, max_length=100)
    next_due_at = models.DateTimeField()
    last_started_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mem_schedules"

    def __str__(self) -> str:
        return self.name
