"""The registry: who has a database, where it is and whether it may be used. The only source of truth for
routing.
"""

from django.db import models

from apps.tenancy.fields import BytewiseField


class State(models.TextChoices):
    """Life of a user database. Only `active` serves requests; no state but `provisioning` is left by itself.

    `importing` is a database that is being filled from an old deployment: apps.legacy alone moves it on.
    """

    PROVISIONING = "provisioning"
    MIGRATING = "migrating"
    IMPORTING = "importing"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETING = "deleting"
    DELETED = "deleted"


class UserDatabase(models.Model):
    """One user's database. Changed by services only, by compare-and-set on `status` or `lease_holder`."""

    user_id = BytewiseField(primary_key=True, max_length=64)
    db_name = BytewiseField(max_length=64, unique=True)
    server = models.CharField(max_length=32)
    status = models.CharField(max_length=20, choices=State)
    schema_version = models.IntegerField(default=0)
    epoch = models.IntegerField(default=0, help_text="Grows whenever routing changes; caches compare it.")
    embedding_model = models.CharField(max_length=200, blank=True, default="")
    embedding_dim = models.IntegerField(default=0)
    embedding_refused = models.IntegerField(
        default=0, db_default=0, help_text="Texts that the endpoint did not take when it was last asked."
    )
    lease_holder = models.CharField(max_length=64, blank=True, default="")
    lease_until = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "mem_user_registry"
        verbose_name = "user database"
        indexes = (
            models.Index(fields=["status", "schema_version"], name="registry_status_schema"),
            models.Index(fields=["server", "status"], name="registry_server_status"),
        )

    def __str__(self) -> str:
        return self.user_id


class Deployment(models.Model):
    """This installation: one row with a random name that user databases carry in their owner marker."""

    id = models.IntegerField(primary_key=True)
    name = models.CharField(max_length=32)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "mem_deployment"

    def __str__(self) -> str:
        return self.name
