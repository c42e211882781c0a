"""Which embedding model, and of which width, all of a user's texts have vectors of, in the registry; empty where some
have none.
"""

from collections.abc import Iterable

from apps.tenancy.models import UserDatabase


def embedding_note(*, user_id: str, model: str, dim: int) -> None:
    """Every text of the user has a vector of this model now."""
    UserDatabase.objects.filter(pk=user_id).update(embedding_model=model, embedding_dim=dim)


def embedding_refused(*, user_id: str, count: int) -> bool:
    """Note how many of the user's texts the endpoint does not take. Returns whether that is news."""
    rows = UserDatabase.objects.filter(pk=user_id).exclude(embedding_refused=count)
    return rows.update(embedding_refused=count) > 0


def embedding_missing(*, user_ids: Iterable[str]) -> None:
    """Some text of each of these users got no vector. Writes what is new only: during an outage every store asks."""
    for user_id in sorted(user_ids):  # in one order: two processes that do so cannot deadlock
        noted = UserDatabase.objects.filter(pk=user_id).exclude(embedding_model="")
        if noted.exists():
            noted.update(embedding_model="")
