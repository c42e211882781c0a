"""What callers say of retrieved memories, and the weights that retrieval takes from it. Shared by all branches."""

from django.db import models

from apps.tenancy.fields import BytewiseField
from apps.tenancy.user_plane import UserModel


class Feedback(UserModel):
    """One signal about one memory; never changed."""

    feedback_id = BytewiseField(primary_key=True, max_length=64)
    memory_id = BytewiseField(max_length=64)
    signal = models.CharField(max_length=16)
    context = models.TextField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "mem_retrieval_feedback"
        indexes = (
            models.Index(fields=["memory_id"], name="feedback_memory"),
            models.Index(fields=["created_at"], name="feedback_created"),
        )


class RetrievalParams(UserModel):
    """The user's own weights; one row, or none where nobody has changed anything."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    feedback_weight = models.FloatField()
    temporal_decay_hours = models.FloatField()
    confidence_weight = models.FloatField()
    tuned_at = models.DateTimeField(null=True)
    """Signals up to here have had their say."""

    class Meta:
        db_table = "mem_user_retrieval_params"
