"""Things that are recognised by the signs they are written with: addresses, paths, codes, dates, quotes, versions."""

import ipaddress
import re
from collections.abc import Iterator
from datetime import date

from memoria.entities.things import CODE, DATE, EMAIL, HOST, PATH, PERSON, PROJECT, REPO, VERSION

# A type, where it stands, and its name where that is not what stands there.
Spotted = tuple[str, int, int, str | None]
# Stands for what a rule has taken. No rule takes it for a letter, a blank or the end of a sentence.
TAKEN = "\x01"

_URL = re.compile(r"https?://([^\s<>\"'）)/:?#]+)[^\s<>\"'）)]*", re.IGNORECASE)
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", re.ASCII)
_STANDARD = re.compile(
    r"\b(RFC|ISO|ISO/IEC|IEC|IEEE|DIN|PEP|NIST|ANSI|ECMA|BIP)[ -]?(\d{1,6}(?:[.-]\d{1,6})*)\b"
)
_CODE = re.compile(r"\b(?:CVE-\d{4}-\d{4,7}|[A-Z][A-Z0-9]{1,9}-\d{1,7})\b|(?<![\w&])#\d{2,8}\b", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.IGNORECASE | re.ASCII)
_HOST = re.compile(
    r"\b(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[a-z0-9-]{1,63}\.){1,8}(?:com|org|net|io|dev|app|cn|local|internal|de|fr|uk|eu"
    r"|edu|gov|jp|kr|ru|ch|nl|se|info|cloud|xyz|lan))(?::\d{2,5})?\b",
    re.ASCII,
)
_PATH = re.compile(
    r"(?<![\w/.:<\x01])(?:~|\.{1,2})?/(?:[\w.-]+/)*[\w.-]{2,}"
    r"|\b[A-Z]:\\[\w\\.-]+|(?<![\w\\])\\\\[\w.-]+\\[\w\\.$-]+"
    r"|(?<![\w/.:\x01-])(?:[\w-]+/)+[\w-]+(?:\.[\w-]+)*\.[a-z][a-z0-9]{0,4}\b",
    re.ASCII,
)
_HANDLE = re.compile(r"(?<![\w.\x01])@([\w\u4e00-\u9fff.-]*[\w\u4e00-\u9fff])", re.ASCII)
_DECORATED = re.compile(r"\(|\n(?:async |def |class |@)")
_MEDIA = frozenset("image application text audio video font ssl".split())
_IS_CODE = re.compile(r"[${}<>;=\\]|[.!?]$")
_REPO = re.compile(r"(?<![\w/.@\x01-])([A-Za-z][\w.-]+)/([A-Za-z][\w.-]+)(?![\w/])", re.ASCII)
_REPO_BEFORE = re.compile(r"(?:repo|repository|github|gitlab|project|仓库|项目)[:： ]*$", re.IGNORECASE)
_QUOTED = re.compile(
    r"`([^`\n]{2,40})`|“([^”\n]{2,40})”|「([^」\n]{2,40})」|《([^》\n]{1,40})》|\"([A-Z][^\"\n]{1,39})\""
)
_VERSION = re.compile(
    r"\bv\d+(?:\.\d+)+\b|(?<![\d.])\d+\.\d+\.\d+(?:-(?:rc|beta|alpha|pre)(?:[.-]?\d+)?)?\b(?!\.\d)", re.ASCII
)

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{m[:3]}(?:{m[3:]})?" if m[3:] else m for m in _MONTHS)
_ISO_DATE = re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b", re.ASCII)
_MONTH_FIRST = re.compile(
    rf"\b(?=[adfjmnos])(?P<name>{_MONTH})\.?[ -](?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:(?:,? |-)(?P<year>\d{{4}}))?\b",
    re.IGNORECASE,
)
_DAY_FIRST = re.compile(
    rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<name>{_MONTH})\b\.?(?:,? (?P<year>\d{{4}})\b)?",
    re.IGNORECASE,
)
_CHINESE_DATE = re.compile(r"(?:(?P<year>\d{4})年)?(?P<month>\d{1,2})月(?P<day>\d{1,2})[日号]")

# How far back a rule looks at what stands before a word: over more blanks nothing is typed.
BEFORE = 12


def by_signs(text: str) -> tuple[list[Spotted], str]:
    """What the signs say, and the text without it."""
    found: list[Spotted] = []
    for rule, signs in _RULES:
        if not signs.isdisjoint(text):  # most of a long text's time is that of rules that find nothing
            spotted = list(rule(text))
            found += spotted
            text = without(text, spotted) if spotted else text
    return found, text


def without(text: str, spotted: list[Spotted]) -> str:
    """The text with what was found taken out of it, everything else in its place."""
    parts: list[str] = []
    done = 0
    for _, start, end, _ in sorted(spotted, key=lambda each: (each[1], -each[2])):
        if start >= done:
            parts += [text[done:start], TAKEN * (end - start)]
            done = end
    return "".join([*parts, text[done:]])


def _urls(text: str) -> Iterator[Spotted]:
    for match in _URL.finditer(text):
        yield HOST, match.start(), match.start() + len(match.group().rstrip(".,;")), None
        yield HOST, *match.span(1), None


def _emails(text: str) -> Iterator[Spotted]:
    for match in _EMAIL.finditer(text):
        yield EMAIL, *match.span(), None


def _paths(text: str) -> Iterator[Spotted]:
    for match in _PATH.finditer(text):
        yield PATH, match.start(), match.start() + len(match.group().rstrip(".,;")), None


def _standards(text: str) -> Iterator[Spotted]:
    """RFC 9110 and RFC9110 are one."""
    for match in _STANDARD.finditer(text):
        yield CODE, *match.span(), f"{match.group(1)} {match.group(2)}".lower()


def _codes(text: str) -> Iterator[Spotted]:
    for match in _CODE.finditer(text):
        yield CODE, *match.span(), None


def _hosts(text: str) -> Iterator[Spotted]:
    for match in _HOST.finditer(text):
        numbers = match.group().split(":")[0].split(".")
        if not all(number.isdecimal() for number in numbers) or all(int(number) < 256 for number in numbers):
            yield HOST, *match.span(), None


def _addresses(text: str) -> Iterator[Spotted]:
    for match in _IPV6.finditer(text):
        try:
            ipaddress.IPv6Address(match.group())
        except ValueError:
            continue
        yield HOST, *match.span(), None


def _handles(text: str) -> Iterator[Spotted]:
    for match in _HANDLE.finditer(text):
        if _DECORATED.match(text, match.end()):
            continue
        yield PERSON, *match.span(), match.group(1).lower()


def _repos(text: str) -> Iterator[Spotted]:
    """owner/name: with signs that no pair of words has, or called a repository."""
    for match in _REPO.finditer(text):
        owner, name = match.groups()
        if owner.lower() in _MEDIA:
            continue
        is_marked = re.search(r"[-_.\d]", owner + name) is not None
        if is_marked or _REPO_BEFORE.search(text, max(0, match.start() - BEFORE), match.start()):
            yield REPO, match.start(), match.start() + len(match.group().rstrip(".")), None


def _quoted(text: str) -> Iterator[Spotted]:
    for match in _QUOTED.finditer(text):
        start, end = next(match.span(group) for group in range(1, 6) if match.group(group))
        spelled = match.string[start:end]
        if _IS_CODE.search(spelled):
            continue
        blanks = len(spelled) - len(spelled.lstrip())
        yield PROJECT, start + blanks, start + len(spelled.rstrip()), None


def _dates(text: str) -> Iterator[Spotted]:
    """2024-03-15, and 03-15 beside it so that a date without a year is met too."""
    for pattern in (_ISO_DATE, _DAY_FIRST, _MONTH_FIRST, _CHINESE_DATE):
        for match in pattern.finditer(text):
            said = match.groupdict()
            name = (said.get("name") or "")[:3].lower()
            month = next((n for n, m in enumerate(_MONTHS, 1) if name and m.startswith(name)), 0)
            year = said.get("year")
            try:
                when = date(int(year or 2000), int(said.get("month") or month), int(said["day"]))
            except ValueError:
                continue
            if year:
                yield DATE, *match.span(), when.isoformat()
            yield DATE, *match.span(), f"{when:%m-%d}"


def _versions(text: str) -> Iterator[Spotted]:
    for match in _VERSION.finditer(text):
        yield VERSION, *match.span(), match.group().lower().removeprefix("v")


_FIGURES = "0123456789"
# Each rule with the signs one of which it needs.
_RULES = tuple(
    (rule, frozenset(signs))
    for rule, signs in (
        (_urls, "/"),
        (_emails, "@"),
        (_paths, "/\\"),
        (_standards, _FIGURES),
        (_codes, _FIGURES),
        (_addresses, ":"),
        (_hosts, "."),
        (_handles, "@"),
        (_repos, "/"),
        (_quoted, '`“「《"'),
        (_dates, _FIGURES),
        (_versions, _FIGURES),
    )
)
