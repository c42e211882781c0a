"""What is worked out about drafts before anything is locked: policy, fingerprints, words, entities, keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings
from django.utils.crypto import salted_hmac

from apps.tenancy.scope import current_route
from memoria.decisions import Statement, telling_keys
from memoria.digest import content_hash
from memoria.drafts import Draft, cleaned
from memoria.entities import Found, entities
from memoria.errors import Blocked, Fault, MemoriaError
from memoria.redaction import has_mask
from memoria.search_text import search_text

# Digits of a fingerprint that texts have in common which are kept alike, whatever their masks stand for.
SHOWN_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Clean:
    """A draft as the policy on secrets and personal data lets it be kept."""

    draft: Draft
    masked: tuple[str, ...] = ()
    """Kinds of personal data that were masked in it."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """What the masks of its content stand for, which is not kept."""

    @property
    def content_hash(self) -> str:
        """By which the same is known again.

        Two texts that are kept alike because their masks are may be about two people, so that what the masks stand
        for counts as well: in the second half, as a message authentication code under the server's key, since who
        reads the database could try all telephone numbers against a plain fingerprint. The open user counts too, or
        two users' databases would tell that they hold the same number: no row moves from one user to another. With
        another key, and in rows of before, such a text is new once more.
        """
        plain = content_hash(self.draft.content)
        if not self.hidden:
            return plain
        said = "\0".join((current_route().user_id, self.draft.content.strip(), *self.hidden))
        code = salted_hmac("memoria.masked", said, algorithm="sha256").hexdigest()
        return plain[:SHOWN_DIGITS] + code[: len(plain) - SHOWN_DIGITS]

    @property
    def is_masking(self) -> bool:
        return bool(self.hidden)

    @property
    def is_as_read(self) -> bool:
        """It came with masks in it, as who has read it here says it again: what they stand for is not known."""
        return not self.hidden and has_mask(self.draft.content)


def drafts_clean(drafts: Sequence[Draft]) -> list[Clean | Blocked]:
    """Apply the policy to each draft; an error stands in the place of one that it refuses."""
    return [_clean(draft) for draft in drafts]


def _clean(draft: Draft) -> Clean | Blocked:
    try:
        return Clean(*cleaned(draft, settings.MEMORIA_REDACTION))
    except Blocked as error:
        return error


def all_clean(drafts: Sequence[Draft | MemoriaError]) -> list[Clean]:
    """All drafts, cleaned, or none: raises the first fault, which names every other one with its place.

    A fault in a draft's place is one that was found when it was made.
    """
    found = [each if isinstance(each, MemoriaError) else _clean(each) for each in drafts]
    faults = [Fault(place, each) for place, each in enumerate(found) if isinstance(each, MemoriaError)]
    if faults:
        first = faults[0].error
        first.faults = tuple(faults) if len(drafts) > 1 else ()
        raise first
    return [each for each in found if isinstance(each, Clean)]


class Prepared:
    """A draft that is about to be written. What is slow is worked out once, when it is first asked for."""

    def __init__(self, clean: Clean, memory_id: str) -> None:
        self.draft, self.masked = clean.draft, clean.masked
        self.memory_id = memory_id
        self.content_hash = clean.content_hash
        self.is_masking, self.is_as_read = clean.is_masking, clean.is_as_read

    @cached_property
    def search_text(self) -> str:
        return search_text(self.draft.content)

    @cached_property
    def entities(self) -> list[Found]:
        return entities(self.draft.content)

    @cached_property
    def statement(self) -> Statement:
        draft = self.draft
        return Statement(
            self.memory_id,
            draft.content,
            draft.memory_type,
            draft.trust_tier,
            draft.observed_at,
            draft.session_id,
            draft.subject_id,
            draft.may_replace,
            self.is_masking,
        )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return telling_keys(self.statement)

    def work_out(self) -> None:
        """Do all of it now."""
        _ = self.keys, self.search_text, self.entities
