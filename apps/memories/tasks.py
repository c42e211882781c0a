"""Background work on memories: embedding what lacks a vector, one task per user."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from apps.jobs.tasks import UserTask
from apps.memories.embedding import embedder
from apps.memories.services.reembed import reembed, width
from apps.tenancy.selectors import users_embedded_otherwise


@shared_task(base=UserTask, name="memories.reembed")
def reembed_user(**_: Any) -> None:
    if (configured := embedder()) is not None:
        reembed(embedder=configured, now=timezone.now())


@shared_task(name="memories.reembed_all")
def reembed_all(**_: Any) -> None:
    if (configured := embedder()) is not None:
        for user_id in users_embedded_otherwise(model=configured.model, dim=width(configured)):
            reembed_user.apply_async(kwargs={"user_id": user_id}, expires=3_600)
