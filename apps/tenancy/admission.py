"""What a request may do with a registry row: the one place that turns a registration into a route."""

from apps.tenancy import schema
from apps.tenancy.models import State
from apps.tenancy.scope import Route
from apps.tenancy.selectors import Registration, registration_find, registration_route
from apps.tenancy.servers import server_names
from apps.tenancy.services.provision import user_provision
from apps.tenancy.services.upgrade import user_upgrade
from memoria.errors import Forbidden, Gone, Unavailable
from memoria.naming import checked_user_id


def active_route(*, user_id: str) -> Route:
    """The route of an existing user, for tasks and commands. Raises Unavailable where there is none."""
    if (found := registration_find(user_id=user_id)) is None:
        raise Unavailable("this user has no database")
    return admit(found)


def route(*, user_id: str, found: Registration | None, creates: bool) -> Route:
    """The route for a caller acting as `user_id`, whose registration the door has already read.

    Where the user is unknown, `creates` decides between building the database and answering from the empty
    one: a read with a made-up id must look like an empty user and leave nothing behind.
    """
    checked_user_id(user_id)
    if found is None or found.status == State.PROVISIONING:
        if not creates:
            return _empty_route(user_id)
        found = user_provision(user_id=user_id)
    return admit(found)


def admit(found: Registration) -> Route:
    """Return the route of an active database of this code's schema, upgrading an older one first."""
    refuse_inactive(found)
    if found.status == State.MIGRATING or found.schema_version != schema.schema_version():
        found = user_upgrade(user_id=found.user_id)
    if found.status != State.ACTIVE:
        raise Unavailable(f"this user's database is {found.status}; try again later", retry_after=5)
    return registration_route(found)


def refuse_inactive(found: Registration) -> None:
    """Raise for users who are not in service: Forbidden while suspended, Gone once deleted, Unavailable until their
    data has arrived.
    """
    if found.status == State.IMPORTING:
        raise Unavailable("this user's data is being moved here; try again later", retry_after=30)
    if found.status == State.SUSPENDED:
        raise Forbidden("this user is suspended")
    if found.status in (State.DELETING, State.DELETED):
        raise Gone("this user was deleted")


def _empty_route(user_id: str) -> Route:
    place = server_names()[0]
    template = schema.ensure_template(place)
    return Route(user_id=user_id, alias=template, server=place, owner=schema.TEMPLATE_OWNER, read_only=True)
