"""Personal data, told from order numbers and versions by check digits, plausible forms and the words around."""

import re
from collections.abc import Callable, Iterator
from datetime import date

from memoria.redaction.finding import Action, Rule, Span, Text, ascii_pattern


def _luhn(digits: str) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    doubled = (int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits)))
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


_ISSUERS = re.compile(
    r"(?:4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14}|62\d{14,17})"
)


def _is_card(match: "re.Match[str]") -> bool:
    digits = re.sub(r"\D", "", match.group())
    return _ISSUERS.fullmatch(digits) is not None and len(set(digits)) > 1 and _luhn(digits)


def _is_iban(match: "re.Match[str]") -> bool:
    """Remainder 1 modulo 97 (ISO 13616)."""
    text = match.group().replace(" ", "")
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def _is_national_id(match: "re.Match[str]") -> bool:
    """The check character of Chinese identity numbers (GB 11643, ISO 7064 MOD 11-2), and the birthday in them."""
    text = match.group().upper()
    rest = sum(int(d) * (2 ** (17 - place) % 11) for place, d in enumerate(text[:17])) % 11
    try:
        born = date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return "10X98765432"[rest] == text[17] and 1900 <= born.year < 2100


_NUMBERED = re.compile(
    r"(?:order|invoice|ticket|id|no\.?|nr\.?|number|#|build|version|isbn|sku|serial|timestamp|epoch|part|case|tracking"
    r"|订单|编号|单号|流水|订单号|版本)[\s:：#=(-]{0,4}\Z",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"(?:order|invoice|ticket|build|version|isbn|sku|serial|part|case|tracking|rfc|订单|编号|单号|流水)(?:\s(?:number|no\.?))?"
    r"[\s:：#=(-]{0,4}\Z",
    re.IGNORECASE,
)
_CALLED = re.compile(r"phone|tel\b|mobile|cell|call|fax|whatsapp|电话|手机|致电|号码", re.IGNORECASE)


def _before(match: "re.Match[str]") -> str:
    return match.string[max(0, match.start() - 24) : match.start()]


def _is_phone(match: "re.Match[str]") -> bool:
    digits = re.sub(r"\D", "", match.group())
    before = _before(match)
    return 7 < len(digits) < 16 and (_CALLED.search(before) is not None or _NUMBERED.search(before) is None)


def _is_ssn(match: "re.Match[str]") -> bool:
    return _COUNTED.search(_before(match)) is None


_SHELL = re.compile(r"(?:\b(?:ssh|scp|sftp|rsync|mosh|ssh-copy-id)\b[^\n|;]{0,60}|://[^\s/]{0,80})\Z")


def _is_email(match: "re.Match[str]") -> bool:
    """Not a login at a host: `ssh ada@host`, `ada@host:path`, `postgres://ada@host`."""
    after = match.string[match.end() : match.end() + 2]
    if len(after) == 2 and after[0] == ":" and (after[1].isalnum() or after[1] in "~/_."):
        return False
    return (
        match["local"] != "git"
        and _SHELL.search(match.string[max(0, match.start() - 80) : match.start()]) is None
    )


def _by(
    pattern: "re.Pattern[str]", is_real: Callable[["re.Match[str]"], bool], needs: str = ""
) -> Callable[[Text], Iterator[Span]]:
    """Matches that pass the check, in a text that has what any match needs (figures where nothing is named)."""

    def find(text: Text) -> Iterator[Span]:
        if needs in text.text if needs else text.has_figure:
            for match in pattern.finditer(text.text):
                if is_real(match):
                    yield match.span()

    return find


_EMAIL = ascii_pattern(
    r"(?<![\w.+-])(?P<local>[A-Za-z0-9_%+](?:[\w.%+-]{0,62}[\w%+-])?)@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b"
)
_IBAN = ascii_pattern(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_NATIONAL_ID = ascii_pattern(r"(?<![\w.-])[1-9]\d{16}[\dXx](?![\w-]|\.\d)")
_CARD = ascii_pattern(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_SSN = ascii_pattern(r"(?<![\w.-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_PHONE = ascii_pattern(
    r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
    r"|\(?[2-9]\d{2}\)?[ .-][2-9]\d{2}[.-]\d{4}|\([2-9]\d{2}\) ?[2-9]\d{2}[ -]\d{4}|1[3-9]\d{9}"
    r"|1[3-9]\d[ -]\d{4}[ -]\d{4}|0\d{2,3}-\d{4} ?\d{3,4}|400-\d{3}-\d{4})(?![\w-]|\.\d)"
)
_NAMED_PHONE = re.compile(
    r"(?:\b(?:phone|tel(?:ephone)?|mobile|cell(?:phone)?|whatsapp|fax|call|ring)(?:\s(?:number|no\.?))?(?:\s(?:is|at|on))?"
    r"|电话|手机|致电|座机|联系方式|传真)(?:号码?|是|为)*[\s:：.]{0,4}"
    r"(?P<value>[+(]?\d(?:[ /().-]{0,2}\d){6,14})(?![\w-]|[.,:]\d)",
    re.ASCII,
)


def _phones(text: Text) -> Iterator[Span]:
    if not text.has_figure:
        return
    for match in _PHONE.finditer(text.text):
        if _is_phone(match):
            yield match.span()
    for match in _NAMED_PHONE.finditer(text.lower):
        if len(re.sub(r"\D", "", match["value"])) >= 7:
            yield match.span("value")


RULES = (
    Rule("email", Action.MASK, _by(_EMAIL, _is_email, "@")),
    Rule("iban", Action.MASK, _by(_IBAN, _is_iban)),
    Rule("national_id", Action.MASK, _by(_NATIONAL_ID, _is_national_id)),
    Rule("credit_card", Action.MASK, _by(_CARD, _is_card)),
    Rule("ssn", Action.MASK, _by(_SSN, _is_ssn)),
    Rule("phone", Action.MASK, _phones),
)
