"""Secrets and personal data in what a caller wants remembered: found by form, then blocked, masked or allowed.

A pattern proposes, a check decides: provider prefixes, checksums, entropy and the words around keep ordinary prose
("the bearer of bad news", "password: see the vault"), timestamps, versions and order numbers out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from memoria.errors import Blocked
from memoria.redaction import named, personal, tokens
from memoria.redaction.finding import Action, Rule, Text
from memoria.redaction.named import is_secret_under, kind_of
from memoria.redaction.values import Kind

__all__ = [
    "LABELS",
    "Action",
    "Cleaned",
    "Policy",
    "clean",
    "clean_json",
    "has_mask",
    "refuse_secrets",
    "scrub",
    "scrubbed",
]

_RULES: tuple[Rule, ...] = (*tokens.RULES, *named.RULES, *personal.RULES)
_BY_NAME = next(rule for rule in _RULES if rule.label == "password_assign")
LABELS = tuple(rule.label for rule in _RULES)
_MASKS = {"credit_card": "[card]"}

Policy = Mapping[str, Action]
"""What to do by label; labels that are left out keep their own action."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text that may be kept, and the labels of what was masked in it, each once."""

    text: str
    masked: tuple[str, ...] = ()
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """What the masks stand for, in order: tells one such text from another. Neither to be kept nor to be logged."""


def _action(rule: Rule, policy: Policy | None) -> Action:
    return (policy or {}).get(rule.label, rule.action)


def _refuse(label: str) -> None:
    raise Blocked(f"Blocked: Memory blocked: contains sensitive content ({label})")


def _mask(label: str) -> str:
    return _MASKS.get(label, f"[{label}]")


_ANY_MASK = re.compile("|".join(re.escape(_mask(label)) for label in LABELS))


def has_mask(text: str) -> bool:
    """Whether something in a text that was kept had been masked, as far as the text shows."""
    return _ANY_MASK.search(text) is not None


def _masked(text: str, policy: Policy | None, *, blocks: bool) -> Cleaned:
    searched = Text(text)
    found: list[tuple[int, int, int]] = []
    for place, rule in enumerate(_RULES):
        action = _action(rule, policy)
        if action is Action.ALLOW:
            continue
        for begin, end in rule.find(searched):
            if action is Action.BLOCK and blocks:
                _refuse(rule.label)
            found.append((begin, end, place))
    if not found:
        return Cleaned(text)
    pieces, hidden, labels, at = [], [], set(), 0
    for begin, end, place in _joined(found):
        label = _RULES[place].label
        labels.add(label)
        pieces += [text[at:begin], _mask(label)]
        hidden.append(text[begin:end])
        at = end
    masked = tuple(label for label in LABELS if label in labels)
    return Cleaned("".join([*pieces, text[at:]]), masked, tuple(hidden))


def _joined(found: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Findings that overlap as one, so that no part of either stays; it counts as what the first rule says."""
    joined: list[tuple[int, int, int]] = []
    for begin, end, place in sorted(found):
        if joined and begin < joined[-1][1]:
            first = joined.pop()
            begin, end, place = first[0], max(end, first[1]), min(place, first[2])
        joined.append((begin, end, place))
    return joined


def clean(text: str, policy: Policy | None = None) -> Cleaned:
    """Mask what the policy masks. Raises Blocked, naming the kind and never the value, for what it blocks."""
    return _masked(text, policy, blocks=True)


def scrubbed(text: str, policy: Policy | None = None) -> Cleaned:
    """The text with everything masked that the policy masks or blocks: for what must not fail, and for other eyes."""
    return _masked(text, policy, blocks=False)


def scrub(text: str, policy: Policy | None = None) -> str:
    return scrubbed(text, policy).text


def refuse_secrets(text: str, policy: Policy | None = None) -> None:
    """Raise Blocked for what the policy blocks. For names and ids: masking would make two of them one."""
    _masked(text, policy, blocks=True)


def clean_json(value: Any, policy: Policy | None = None) -> tuple[Any, tuple[str, ...]]:
    """The same for every text, number and key inside a JSON value; a key counts as the name of what it holds.

    Raises Blocked.
    """
    masked: dict[str, None] = {}
    by_name = _action(_BY_NAME, policy)

    def kept(text: str) -> str:
        cleaned = clean(text, policy)
        masked.update(dict.fromkeys(cleaned.masked))
        return cleaned.text

    def walk(value: Any, kind: Kind | None) -> Any:
        if isinstance(value, dict):
            held: dict[str, Any] = {}
            for key, inner in value.items():
                held[_unused(kept(key), held)] = walk(inner, _kind_in(value, key, kind))
            return held
        if isinstance(value, list):
            return [walk(inner, kind) for inner in value]
        if value is None or isinstance(value, bool | float):
            return value
        text = str(value)
        if kind is not None and by_name is not Action.ALLOW and is_secret_under(text, kind):
            if by_name is Action.BLOCK:
                _refuse(_BY_NAME.label)
            masked[_BY_NAME.label] = None
            return _mask(_BY_NAME.label)
        shown = kept(text)
        return value if shown == text else shown

    return walk(value, None), tuple(masked)


_VALUES = ("value", "val", "data", "content")
# What is said of a password and is none: {"password": {"min_length": 12, "stored_in": "vault-7"}}.
_ABOUT = re.compile(
    r"len|min|max|polic|hint|expir|rotate|rotati|type|alg|format|updated|created|changed|_at\Z|\Aid\Z|_id\Z|name|url|uri|path|file"
    r"|ref|hash|count|age|strength|status|desc|note|label|comment|version|enabled|required|stored|location|owner|env",
    re.IGNORECASE,
)


def _kind_in(holder: Mapping[str, Any], key: str, kind: Kind | None) -> Kind | None:
    """What a field holds: by its own name, by the name beside it ({"name": "DB_PASSWORD", "value": …}), or by that of
    what it lies in."""
    if (own := kind_of(key)) is not None:
        return own
    beside = holder.get("name", holder.get("key")) if key.lower() in _VALUES else None
    if isinstance(beside, str) and (own := kind_of(beside)) is not None:
        return own
    return None if _ABOUT.search(key) else kind


def _unused(key: str, taken: Mapping[str, Any]) -> str:
    """The key, or one like it: two masked ones would be the same."""
    wanted, number = key, 2
    while key in taken:
        key, number = f"{wanted} {number}", number + 1
    return key
