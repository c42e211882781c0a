"""Who is calling, from credentials and identity headers. Shared by every door that has callers."""

import hmac
import time
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from apps.accounts.rate_limit import limiter
from apps.accounts.selectors import key_owner_find
from apps.accounts.services import key_touch
from apps.tenancy.admission import refuse_inactive
from apps.tenancy.selectors import Registration, registration_find
from memoria import naming
from memoria.errors import Forbidden, Invalid, TooManyRequests, Unauthenticated


@dataclass(frozen=True, slots=True)
class Caller:
    """The user a request acts as. Only key owners and master callers exist; nobody is anonymous."""

    user_id: str
    is_master: bool
    registration: Registration | None
    key_id: str | None = None
    names_user: bool = True
    """False for a master caller who did not say on whose behalf."""

    def require_master(self) -> None:
        if not self.is_master:
            raise Forbidden("Master key required")


def caller_identify(*, authorization: str | None, acts_as: str | None, now: datetime) -> Caller:
    """Check the credentials. `acts_as` names the user a master caller speaks for; key owners cannot choose.

    None means that the caller sent no such thing; an empty text is one that could not be read.

    Raises Unauthenticated, or TooManyRequests when the key used up its window. Unknown keys are counted too,
    so that guessing is as slow as using.
    """
    token = authorization[7:] if authorization and authorization.startswith("Bearer ") else ""
    if not token or token != token.strip():
        if settings.MEMORIA_OPEN_MODE:
            return _master(acts_as)
        raise Unauthenticated("Missing Bearer token")
    master_key = settings.MEMORIA_MASTER_KEY
    if master_key and hmac.compare_digest(token.encode(errors="replace"), master_key.encode()):
        return _master(acts_as)
    key_hash = naming.key_hash(token) if naming.is_encodable(token) else ""
    if wait := limiter().hit(key_hash, time.time()):
        raise TooManyRequests(f"Rate limit reached; try again in {wait} s", retry_after=wait)
    owner = key_owner_find(key_hash=key_hash, now=now)
    if owner is None:
        raise Unauthenticated("Invalid token")
    if owner.registration is not None:
        refuse_inactive(owner.registration)
    key_touch(key_id=owner.key_id, now=now)
    return Caller(owner.user_id, is_master=False, registration=owner.registration, key_id=owner.key_id)


def _master(acts_as: str | None) -> Caller:
    if acts_as == "":
        raise Invalid(
            "the identity header is empty or not ASCII; name such a user as ?user_id=, percent-encoded"
        )
    user_id = naming.checked_user_id(acts_as or naming.DEFAULT_USER_ID)
    registration = registration_find(user_id=user_id)
    return Caller(user_id, is_master=True, registration=registration, names_user=acts_as is not None)
