"""Figures for the first page of the console."""

from typing import Any

from django.db.models import Count, Q
from django.http import HttpRequest

from apps.tenancy import schema
from apps.tenancy.models import State, UserDatabase
from apps.tenancy.servers import server_names


def figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's dashboard callback: users by state and server, and what needs an operator."""
    states = dict(UserDatabase.objects.values_list("status").annotate(Count("pk")))
    behind = Q(schema_version__lt=schema.schema_version()) & Q(status__in=(State.ACTIVE, State.SUSPENDED))
    totals = UserDatabase.objects.aggregate(
        users=Count("pk"), behind=Count("pk", filter=behind), failed=Count("pk", filter=~Q(last_error=""))
    )
    servers = dict(
        UserDatabase.objects.exclude(status=State.DELETED).values_list("server").annotate(Count("pk"))
    )
    context["cards"] = [
        {"title": "Users", "value": totals["users"], "note": _listed(states)},
        {"title": "Behind schema", "value": totals["behind"], "note": "manage.py migrate_users"},
        {"title": "With an error", "value": totals["failed"], "note": "see the last error of the user"},
    ]
    context["servers"] = [
        (name, servers.get(name, 0)) for name in {**dict.fromkeys(server_names()), **servers}
    ]
    return context


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "nobody yet"
