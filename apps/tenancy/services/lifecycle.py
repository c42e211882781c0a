"""Taking a user out of service and back. Acts at once in every process, because each request reads the row."""

from django.db.models import F
from django.utils import timezone

from apps.tenancy.models import State, UserDatabase
from memoria.errors import Conflict, NotFound


def user_suspend(*, user_id: str) -> None:
    """Refuse this user's requests until reactivated. Data is kept."""
    _move(user_id, State.ACTIVE, State.SUSPENDED)


def user_reactivate(*, user_id: str) -> None:
    """Let a suspended user in again."""
    _move(user_id, State.SUSPENDED, State.ACTIVE)


def _move(user_id: str, old: State, new: State) -> None:
    rows = UserDatabase.objects.filter(pk=user_id, status=old)
    if rows.update(status=new, epoch=F("epoch") + 1, updated_at=timezone.now()):
        return
    present = UserDatabase.objects.filter(pk=user_id).values_list("status", flat=True).first()
    if present is None:
        raise NotFound("no such user")
    if present != new:
        raise Conflict(f"the user is {present}; only {old} users can become {new}")
