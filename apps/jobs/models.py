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


class AsyncTask(models.Model):
    """Something a caller waits for by asking again. Kept where every server sees it."""

    class Status(models.TextChoices):
        PROCESSING = "processing"
        COMPLETED = "completed"
        FAILED = "failed"

    task_id = BytewiseField(primary_key=True, max_length=64)
    user_id = BytewiseField(max_length=64)
    status = models.CharField(max_length=16, choices=Status, default=Status.PROCESSING)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "mem_async_tasks"
        indexes = (models.Index(fields=["status", "created_at"], name="async_tasks_status"),)

    def __str__(self) -> str:
        return f"{self.task_id}: {self.status}"
