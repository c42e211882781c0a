"""Secrets and personal data in what a caller wants remembered: found by form, then blocked, masked or allowed.

A pattern proposes, a check decides: provider prefixes, checksums, entropy and the words around keep ordinary prose
("the bearer of bad news", "password: see the vault"), timestamps, versions and order numbers out.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from memoria.errors import Blocked


class Action(StrEnum):
    ALLOW = "allow"
    MASK = "mask"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class _Rule:
    label: str
    action: Action
    """What happens unless the operator says otherwise."""
    pattern: re.Pattern[str]
    is_real: Callable[[re.Match[str]], bool] = lambda _: True
    needs: str = ""
    """A text without this cannot match: finding that out is cheap."""
    needs_figure: bool = False
    is_long: bool = False
    """Only a text with a word of `_LONG` characters can match."""


def _entropy(text: str) -> float:
    """Shannon entropy in bits per character."""
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


def _is_random(text: str) -> bool:
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text) and _entropy(text) >= 3.0


_PLACEHOLDER = re.compile(
    r"\A(?:<.*>?|\$.*|\{+.*|\[.*|%.*%|\*+|x{3,}|\.{2,}|…+|os\.|process\.|env\b|config|settings|vault|secrets?[./(]"
    r"|get|read|your|my|example|placeholder|redacted|changeme|todo|tbd|n/a).*\Z",
    re.IGNORECASE,
)
_HARMLESS = frozenset(
    "none null nil true false yes no required optional missing empty blank hidden invalid incorrect wrong expired"
    " rotated stored unknown unset string text str bytes password secret token default disabled enabled manual"
    " somewhere nothing undefined provided protected encrypted hashed necessary mandatory confidential".split()
)


# Code that handles a secret is no secret: calls, look-ups, names of variables, and the values of examples.
_CODE = re.compile(r"[A-Za-z_][\w.]*\s*[(\[{]|=|[A-Za-z_]\w*(?:\.\w+)+[),;]*\Z|[A-Za-z_]+_[A-Za-z_]+[),;]*\Z")
_EXAMPLE = re.compile(
    r"passw|secret|token|test|example|dummy|sample|your|changeme|placeholder|xxxx|1234\Z", re.IGNORECASE
)
_HASHED = re.compile(r"(?:hashed|hash|encrypted|encoded)[ _-]?\Z", re.IGNORECASE)


def _is_secret_value(match: re.Match[str]) -> bool:
    """Whether what is assigned looks like a secret: `hunter2` does; `see`, `none`, `<password>` and code do not."""
    if _HASHED.search(match.string[max(0, match.start() - 12) : match.start()]):
        return False
    raw = match["value"]
    value = raw.strip("\"'`.,;:!?()[]{}，。；！）")
    if len(value) < 4 or _PLACEHOLDER.match(value) or _EXAMPLE.search(value) or _CODE.match(raw):
        return False
    word = re.match("[A-Za-z]*", value)
    if (
        word is not None
        and word.group().lower() in _HARMLESS
        and not value[word.end() : word.end() + 1].isalnum()
    ):
        return False
    letters, digits = any(c.isalpha() for c in value), any(c.isdigit() for c in value)
    symbols = any(not c.isalnum() and c not in "-_./'" for c in value)
    if match["sign"].strip() in ("=", ":=") and " " not in match["sign"] and value.isascii():
        return len(value) >= 6
    if re.fullmatch(r"\d+(?:[.-]?[a-z]{1,10})?|[\d:./-]+", value):  # "12", "12-character", a date
        return False
    return (letters and digits) or (letters and symbols and len(value) >= 6) or _is_jumbled(value)


def _is_jumbled(text: str) -> bool:
    """Whether capitals and small letters alternate as they do in no word: `YLvSyuXKgn`, but not `MacBook`."""
    return text.isascii() and sum(a.isupper() != b.isupper() for a, b in pairwise(text)) >= 5


def _has_password(match: re.Match[str]) -> bool:
    value = match["value"]
    return not _PLACEHOLDER.match(value) and value.lower() not in _HARMLESS | {"pass", "pwd", "pw"}


def _luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    doubled = (int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits)))
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


_ISSUERS = re.compile(
    r"(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14}|62\d{14,17})"
)


def _is_card(match: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", match.group())
    return _ISSUERS.fullmatch(digits) is not None and len(set(digits)) > 1 and _luhn(digits)


def _is_iban(match: re.Match[str]) -> bool:
    """Remainder 1 modulo 97 (ISO 13616)."""
    text = match.group().replace(" ", "")
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _is_national_id(match: re.Match[str]) -> bool:
    """The check character of Chinese identity numbers (GB 11643, ISO 7064 MOD 11-2)."""
    text = match.group().upper()
    rest = sum(int(d) * (2 ** (17 - place) % 11) for place, d in enumerate(text[:17])) % 11
    return "10X98765432"[rest] == text[17]


_NUMBERED = re.compile(
    r"(?:order|invoice|ticket|id|no\.?|nr\.?|number|#|build|version|isbn|sku|serial|timestamp|epoch|订单|编号|单号|流水)"
    r"[\s:：#=(-]*\Z",
    re.IGNORECASE,
)


def _is_phone(match: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", match.group())
    before = match.string[max(0, match.start() - 24) : match.start()]
    is_called = re.search(r"phone|tel|mobile|call|fax|whatsapp|电话|手机|致电", before, re.IGNORECASE)
    return 7 < len(digits) < 16 and (is_called is not None or _NUMBERED.search(before) is None)


def _is_named_secret(match: re.Match[str]) -> bool:
    value = match["value"]
    kinds = (str.isupper, str.islower, str.isdigit)
    return all(any(kind(c) for c in value) for kind in kinds) and _entropy(value) >= 4.0


_NAMES = (
    r"pass(?:word|wd|phrase|code)|pwd|secret(?:[_ -]?(?:access[_ -]?)?key)?|api[_ -]?key|access[_ -]?key"
    r"|(?:access|auth|refresh|api|session|private)[_ -]?token|client[_ -]?secret|private[_ -]?key|credentials?"
)


def _ascii(pattern: str, flags: int = 0) -> "re.Pattern[str]":
    """A pattern for which Chinese characters are no part of a word: nobody writes blanks around a token there."""
    return re.compile(pattern, flags | re.ASCII)


_RULES = (
    _Rule(
        "private_key",
        Action.BLOCK,
        _ascii(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"),
        needs="-----BEGIN",
    ),
    _Rule("aws_key", Action.BLOCK, _ascii(r"\b(?:AKIA|ABIA|ACCA|ASIA)[A-Z0-9]{16}\b"), is_long=True),
    _Rule(
        "api_token",
        Action.BLOCK,
        _ascii(
            r"\b(?:gh[oprsu]_[A-Za-z0-9]{30,}|github_pat_\w{22,}|glpat-[\w-]{20,}|xox[abeoprs]-[\w-]{10,}"
            r"|xapp-\d-[\w-]{10,}|AIza[\w-]{35}|ya29\.[\w-]{20,}|[spr]k_(?:live|test)_[A-Za-z0-9]{16,}|SG\.[\w-]{16,}"
            r"\.[\w-]{16,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{40,}|dop_v1_[a-f0-9]{64}|hf_[A-Za-z0-9]{30,}"
            r"|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|AGE-SECRET-KEY-1[0-9A-Z]{58}|sq0(?:atp|csp)-[\w-]{22,}"
            r"|key-[0-9a-f]{32}|\d{8,10}:AA[\w-]{33}|lin_api_[A-Za-z0-9]{32,}|ntn_[A-Za-z0-9]{40,}"
            r"|hooks\.slack\.com/services/T\w+/B\w+/\w{20,})"
        ),
        lambda m: any(c.isdigit() for c in m.group()) and _EXAMPLE.search(m.group()) is None,
        needs_figure=True,
        is_long=True,
    ),
    _Rule(
        "api_token",
        Action.BLOCK,
        _ascii(r"\bsk-[\w-]{20,}"),
        lambda m: _is_random(m.group()[3:]),
        needs="sk-",
    ),
    _Rule(
        "api_token",
        Action.BLOCK,
        _ascii(
            r"\b(?:hf_[A-Za-z]{34}|GOCSPX-[\w-]{20,}|dckr_pat_[\w-]{20,}|gsk_[A-Za-z0-9]{40,}|ATATT3x[\w=-]{40,}"
            r"|figd_[\w-]{30,}|whsec_[A-Za-z0-9+/]{24,}|secret_[A-Za-z0-9]{40,}|xai-[A-Za-z0-9]{40,}"
            r"|pplx-[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{36,}|hvs\.[\w-]{24,}|glsa_\w{30,}|sbp_[0-9a-f]{40}"
            r"|PMAK-[0-9a-f]{24}-[0-9a-f]{30,}|rubygems_[0-9a-f]{48}|NRAK-[A-Z0-9]{27}|SK[0-9a-f]{32}\b"
            r"|dapi[0-9a-f]{32}|https?://[0-9a-f]{32}@[\w.-]+/\d+)"
        ),
        lambda m: _entropy(m.group()) >= 3.0,
        is_long=True,
    ),
    _Rule("jwt", Action.BLOCK, _ascii(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"), needs="eyJ"),
    _Rule(
        "bearer_token",
        Action.BLOCK,
        _ascii(r"\bbearer\s+(?P<value>[\w.~+/=-]{12,})", re.IGNORECASE),
        lambda m: _is_random(m["value"]),
    ),
    _Rule(
        "connection_string",
        Action.BLOCK,
        _ascii(
            r"\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@]{0,80}:(?P<value>[^\s@/]{3,200})@[\w.\[-]", re.IGNORECASE
        ),
        _has_password,
        needs="://",
    ),
    _Rule(
        "password_assign",
        Action.BLOCK,
        _ascii(
            rf"(?:\b|_)(?=[acprs])(?:{_NAMES})[\"'`]?(?:\s+(?:for|of|to|on)(?:\s+[\w.-]+){{1,4}}?)?"
            r"(?P<sign>\s*(?::=|[:：=])\s*"
            r"|\s+(?:(?:is|was|are|has been)\s+)?(?:is|was|are|(?:set|changed|reset)\s+to)\s+)"
            r"(?P<value>\S+)"
            r"|(?:密码|口令|密钥|令牌)(?P<sign2>\s*[:：=是为]+\s*)(?P<value2>\S+)",
            re.IGNORECASE,
        ),
        lambda m: _is_assigned(m),
    ),
    _Rule(
        "named_secret",
        Action.BLOCK,
        _ascii(
            r"(?:\b|_)(?:key|token|secret|credential|AccountKey|signature)\w*\b[^\n]{0,20}?"
            r"(?P<value>(?<![\w/+])[A-Za-z0-9+/_-]{32,}={0,2}(?![\w/+]))",
            re.IGNORECASE,
        ),
        _is_named_secret,
        needs_figure=True,
        is_long=True,
    ),
    _Rule(
        "named_secret",
        Action.BLOCK,
        _ascii(
            r"(?:\b|_)(?:(?:api|access|secret|private|license|account)[_ -]?key|token|secret)[\"'`]?"
            r"(?:\s*[:：=]\s*|\s+(?:is\s+)?)[\"'`]?(?P<value>[A-Za-z0-9]{32,})\b",
            re.IGNORECASE,
        ),
        lambda m: _is_random(m["value"]),
        needs_figure=True,
        is_long=True,
    ),
    _Rule(
        "email",
        Action.MASK,
        _ascii(
            r"(?<![\w.+-])(?!git@)[A-Za-z0-9_%+](?:[\w.%+-]{0,62}[\w%+-])?@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b"
            r"(?!:[\w~])"
        ),
        needs="@",
    ),
    _Rule(
        "iban",
        Action.MASK,
        _ascii(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
        _is_iban,
        needs_figure=True,
    ),
    _Rule(
        "national_id",
        Action.MASK,
        _ascii(r"(?<![\w.-])[1-9]\d{16}[\dXx](?![\w.-])"),
        _is_national_id,
        needs_figure=True,
    ),
    _Rule(
        "credit_card",
        Action.MASK,
        _ascii(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])"),
        _is_card,
        needs_figure=True,
    ),
    _Rule(
        "ssn",
        Action.MASK,
        _ascii(r"(?<![\w.-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
        needs_figure=True,
    ),
    _Rule(
        "phone",
        Action.MASK,
        _ascii(
            r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
            r"|\(?[2-9]\d{2}\)?[ .-][2-9]\d{2}[.-]\d{4}|\([2-9]\d{2}\) ?[2-9]\d{2}[ -]\d{4}|1[3-9]\d{9}"
            r"|1[3-9]\d[ -]\d{4}[ -]\d{4})(?![\w-]|\.\d)"
        ),
        _is_phone,
        needs_figure=True,
    ),
)
_FIGURE = re.compile(r"\d")
_LONG = 16
LABELS = tuple(dict.fromkeys(rule.label for rule in _RULES))
_MASKS = {"credit_card": "[card]"}


def _is_assigned(match: re.Match[str]) -> bool:
    if match["value2"] is None:
        return _is_secret_value(match)
    value = match["value2"].strip("\"'`.,;:!?，。；！）)")
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    likely = value.isascii() and (mixed or _is_jumbled(value))
    return len(value) >= 6 and likely and not _PLACEHOLDER.match(value)


Policy = Mapping[str, Action]
"""What to do by label; labels that are left out keep their own action."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A text that may be kept, and the labels of what was masked in it, each once."""

    text: str
    masked: tuple[str, ...] = ()


def clean(text: str, policy: Policy | None = None) -> Cleaned:
    """Mask what the policy masks. Raises Blocked, naming the kind and never the value, for what it blocks."""
    masked: dict[str, None] = {}
    has_figure = _FIGURE.search(text) is not None
    has_long = max(map(len, text.split()), default=0) >= _LONG
    for rule in _RULES:
        if (
            rule.needs not in text
            or (rule.needs_figure and not has_figure)
            or (rule.is_long and not has_long)
        ):
            continue
        action = (policy or {}).get(rule.label, rule.action)
        if action is Action.ALLOW:
            continue

        def replace(match: re.Match[str], rule: _Rule = rule, action: Action = action) -> str:
            if not rule.is_real(match):
                return match.group()
            if action is Action.BLOCK:
                raise Blocked(f"Blocked: Memory blocked: contains sensitive content ({rule.label})")
            masked[rule.label] = None
            return _MASKS.get(rule.label, f"[{rule.label}]")

        text = rule.pattern.sub(replace, text)
    return Cleaned(text, tuple(masked))


def clean_json(value: Any, policy: Policy | None = None) -> tuple[Any, tuple[str, ...]]:
    """The same for every text inside a JSON value; a key counts as the name of what it holds. Raises Blocked."""
    masked: dict[str, None] = {}

    def walk(value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner, str(key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, name) for inner in value]
        if not isinstance(value, str):
            return value
        clean(f"{name}: {value}", policy)  # {"password": "…"} is an assignment
        cleaned = clean(value, policy)
        masked.update(dict.fromkeys(cleaned.masked))
        return cleaned.text

    return walk(value, ""), tuple(masked)
