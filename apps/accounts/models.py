"""API keys. Only the hash of a key is kept; the key itself is shown once, when it is made."""

from django.db import models

from apps.tenancy.fields import BytewiseField


class ApiKey(models.Model):
    """A key acts as its user until it is revoked, rotated or expires."""

    key_id = BytewiseField(primary_key=True, max_length=36)
    user_id = BytewiseField(max_length=64)
    name = models.CharField(max_length=100)
    key_hash = BytewiseField(max_length=64, unique=True)
    key_prefix = models.CharField(max_length=12)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "mem_api_keys"
        verbose_name = "API key"
        indexes = (models.Index(fields=["user_id", "is_active"], name="idx_user_active"),)

    def __str__(self) -> str:
        return f"{self.key_prefix}… ({self.name})"


class ToolUsage(models.Model):
    """When a user's tool, as it calls itself in a header, was last here."""

    user_id = BytewiseField(max_length=64)
    tool_name = BytewiseField(max_length=128)
    last_used_at = models.DateTimeField()

    class Meta:
        db_table = "mem_tool_usage"
        constraints = (models.UniqueConstraint(fields=["user_id", "tool_name"], name="tool_usage_user_tool"),)

    def __str__(self) -> str:
        return f"{self.tool_name} of {self.user_id}"
