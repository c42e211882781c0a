"""Finding the things a text is about, by rules: names, identifiers, codes, versions, hosts, paths, dates,
quoted names.

Deterministic and without a model. Works on English, on Chinese, and on the mixture of both. A thing has one canonical
name, lower case, under which memories and queries meet; aliases lead to it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

NAME_LENGTH = 200
ENTITIES_PER_TEXT = 40
TEXT_LENGTH = 8_000

TECH = "tech"
PERSON = "person"
PROJECT = "project"
REPO = "repo"
CODE = "code"
VERSION = "version"
HOST = "host"
PATH = "path"
EMAIL = "email"
DATE = "time"
CONCEPT = "concept"


class LinkSource(StrEnum):
    """Who linked a memory to a thing; a stronger source is never replaced by a weaker one."""

    RULES = "rules"
    LLM = "llm"
    MANUAL = "manual"


LINK_WEIGHTS = {LinkSource.RULES: 0.8, LinkSource.LLM: 0.9, LinkSource.MANUAL: 1.0}


@dataclass(frozen=True, slots=True)
class Found:
    """One thing in a text: its canonical name, how the text spells it, and its type."""

    name: str
    display: str
    kind: str


# Short forms and the names they stand for; both sides lower case.
ALIASES = {
    "k8s": "kubernetes",
    "postgres": "postgresql",
    "psql": "postgresql",
    "pg": "postgresql",
    "js": "javascript",
    "ts": "typescript",
    "golang": "go",
    "mongo": "mongodb",
    "elastic": "elasticsearch",
    "reactjs": "react",
    "react.js": "react",
    "vue.js": "vue",
    "nextjs": "next.js",
    "nodejs": "node.js",
    "node": "node.js",
    "gha": "github actions",
    "tf": "terraform",
    "gcp": "google cloud",
}

# Written in lower case and still a name.
TECH_WORDS = frozenset(
    "python rust golang java javascript typescript kotlin swift ruby php scala elixir react angular vue"
    " svelte django flask fastapi rails spring laravel express docker kubernetes k8s terraform ansible"
    " jenkins nginx redis postgres postgresql mysql mariadb sqlite mongodb kafka rabbitmq elasticsearch"
    " grafana prometheus graphql grpc aws gcp azure linux git github gitlab webpack vite pytest numpy"
    " pandas pytorch tensorflow spark hadoop airflow node.js next.js vim emacs celery jwt oauth".split()
)

# Capitalised for their place in a sentence or the calendar, not because they name something.
COMMON_WORDS = frozenset(
    "a about after again all also always am an and any are as ask at back be because been before being"
    " below best better both but by can case change check class come consider could create current customer"
    " data date day days default deploy did do does done don down during each easy either email enterprise"
    " error every everyone everything example few file final find first fix for found from full general get"
    " give go going good got great had has have having he help her here hi high his how however i if"
    " important in incident instead into is issue it its just keep key know last later latest least let"
    " like list long look low made main make many may maybe me might month more most much must my need"
    " never new next no none not note nothing now of off ok okay old on once one only open or order other"
    " our out over own page part per phase place plan please point policy possible prefer previous"
    " production project put question read really recent report required result review right root run same"
    " see service set several she should show since small so some something soon start status step still"
    " such sure system table take task team test than thank thanks that the their them then there these"
    " they thing things this those though through ticket time to today together tomorrow too true try two"
    " type under unrelated until up update us use used user users using version very wait want was way we"
    " week weeks well were what when where whether which while who why will with within without work"
    " working would yes yesterday yet you your monday tuesday wednesday thursday friday saturday sunday"
    " january february march april may june july august september october november december assistant step".split()
)

_URL = re.compile(r"https?://[^\s<>\"'）)]+", re.IGNORECASE)
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b", re.ASCII)
_CODE = re.compile(r"\b(?:CVE-\d{4}-\d{4,7}|[A-Z][A-Z0-9]{1,9}-\d{1,7})\b|(?<![\w&])#\d{2,8}\b")
_HOST = re.compile(
    r"\b(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[a-z0-9-]{1,63}\.){1,8}(?:com|org|net|io|dev|app|cn|local|internal))(?::\d{2,5})?\b",
    re.ASCII,
)
_PATH = re.compile(r"(?<![\w/.:])(?:~|\.{1,2})?/(?:[\w.-]+/)*[\w.-]{2,}|\b[A-Z]:\\[\w\\.-]+", re.ASCII)
_HANDLE = re.compile(r"(?<![\w.])@([\w\u4e00-\u9fff.-]*[\w\u4e00-\u9fff])")
_REPO = re.compile(r"(?<![\w/.@-])([A-Za-z][\w.-]+/[A-Za-z][\w.-]+)(?![\w/])", re.ASCII)
_QUOTED = re.compile(
    r"`([^`\n]{2,40})`|“([^”\n]{2,40})”|「([^」\n]{2,40})」|《([^》\n]{1,40})》|\"([A-Z][^\"\n]{1,39})\""
)
_VERSION = re.compile(r"\bv\d+(?:\.\d+)+\b|(?<![\d.])\d+\.\d+\.\d+\b(?!\.\d)", re.ASCII)
_IDENTIFIER = re.compile(
    r"\b(?:[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+|[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+"
    r"|[A-Za-z][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)+)\b",
    re.ASCII,
)
_UNIT = re.compile(r"\d\s*$")  # 200ms, 64GB: what follows a number measures it
# How far back a rule looks at what stands before a word: over more blanks nothing is typed.
BEFORE = 12
_WORD = re.compile(
    r"(?<![A-Za-z0-9_.+#-])[A-Za-z][A-Za-z0-9+#]*(?![A-Za-z0-9+#_]|[-./][A-Za-z0-9])", re.ASCII
)
_RUN = re.compile(
    r"(?<![A-Za-z0-9+_.-])[A-Z][A-Za-z0-9+#]*(?:[ ][A-Z][A-Za-z0-9+#]*|[ ]\d+(?:\.\d+)*(?![\d%]))*", re.ASCII
)
_SENTENCE_END = re.compile(r"(?:^|[.!?:;\n。！？：；])\s*(?:[-*•]\s*)?$")

_MONTHS = "january february march april may june july august september october november december".split()
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_ENGLISH_DATE = re.compile(
    r"\b(?=[adfjmnos])("
    + "|".join(f"{m[:3]}(?:{m[3:]})?" if m[3:] else m for m in _MONTHS)
    + r")\.?[ -](\d{1,2})(?:st|nd|rd|th)?"
    r"(?:(?:,? |-)(\d{4}))?\b",
    re.IGNORECASE,
)
_CHINESE_DATE = re.compile(r"(?:(\d{4})年)?(\d{1,2})月(\d{1,2})[日号]")

# Common Chinese surnames that are rarely words; with one or two more characters and a telling neighbour they
# make a name.
_SURNAMES = (
    "王李张刘陈杨黄赵吴徐孙朱胡郭林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶苏魏吕丁沈姚卢姜崔钟谭陆汪范廖贾夏韦付邹孟熊秦"
    "邱尹薛闫雷侯陶黎龚邵戴莫孔汤郝"
)
_AFTER_NAME = (
    "是在的说把和与或跟同负提设参做正将会要想去来从已也都上，。：:,()（） \n担主管带喜使用认建反表住维发最"
)
_CHINESE_NAME = re.compile(
    rf"(?:^|(?<=[的由和与、，。：:,@\s（(是找问让给跟]))([{_SURNAMES}][\u4e00-\u9fff]{{1,2}}?)(?=[{_AFTER_NAME}]|$)"
)
_CHINESE_UNIT = re.compile(
    r"(?:(?<![\u4e00-\u9fff])|(?<=[是在由对责的]))([\u4e00-\u9fff]{2,3}?)(?:团队|小组|组|部门|平台)(?!件)"
)
_FIGURES = re.compile(r"\d")
_HAS_CJK = re.compile(r"[\u4e00-\u9fff]")
_SERVICE_SUFFIXES = frozenset(
    "service api app gateway worker server client db cache queue pipeline job bot sdk cli ui".split()
)


def entities(text: str) -> list[Found]:
    """The things in a text, each once, in the order of the rules; at most ENTITIES_PER_TEXT."""
    return list(_entities(text[:TEXT_LENGTH]))


@lru_cache(maxsize=2_000)
def _entities(text: str) -> tuple[Found, ...]:
    found: dict[str, Found] = {}
    for kind, spelled, name in _candidates(text):
        canonical = ALIASES.get(name, name)
        if 1 < len(canonical) <= NAME_LENGTH or (canonical and not canonical.isascii()):
            found.setdefault(canonical, Found(canonical, spelled, kind))
        if len(found) >= ENTITIES_PER_TEXT:
            break
    return tuple(found.values())


def _candidates(text: str) -> Iterator[tuple[str, str, str]]:
    """(type, spelling, canonical name) by rule, the most telling rules first.

    Rules that cannot apply, for want of a character they need, are passed over: most of a long text's time is theirs.
    """
    has_figures, is_cjk = _FIGURES.search(text) is not None, _HAS_CJK.search(text) is not None
    for kind, pattern, is_possible in (
        (HOST, _URL, "://" in text),
        (EMAIL, _EMAIL, "@" in text),
        (CODE, _CODE, has_figures),
        (HOST, _HOST, "." in text),
        (PATH, _PATH, "/" in text or "\\" in text),
    ):
        for match in pattern.finditer(text) if is_possible else ():
            spelled = match.group().rstrip(".,;")
            yield kind, spelled, spelled.lower()
    for match in _HANDLE.finditer(text) if "@" in text else ():
        if not match.group(1)[:1].isascii() or match.start() == 0 or not text[match.start() - 1].isalnum():
            yield PERSON, match.group(), match.group(1).lower()
    for match in _REPO.finditer(text):
        if "-" in match.group() or "_" in match.group() or match.group().islower():
            yield REPO, match.group(), match.group().lower()
    for match in _QUOTED.finditer(text):
        spelled = next(filter(None, match.groups())).strip()
        yield PROJECT, spelled, spelled.lower()
    if has_figures:
        yield from _dates(text)
    for match in _VERSION.finditer(text) if has_figures else ():
        yield VERSION, match.group(), match.group().lower().removeprefix("v")
    yield from _identifiers(text)
    yield from _names(text)
    for kind, pattern in ((PERSON, _CHINESE_NAME), (CONCEPT, _CHINESE_UNIT)):
        for match in pattern.finditer(text) if is_cjk else ():
            yield kind, match.group(1), match.group(1)


def _before(match: re.Match[str]) -> tuple[int, int]:
    return max(0, match.start() - BEFORE), match.start()


def _dates(text: str) -> Iterator[tuple[str, str, str]]:
    for match in _ISO_DATE.finditer(text):
        yield from _date(match.group(), *match.groups())
    for match in _ENGLISH_DATE.finditer(text):
        month = next(i for i, m in enumerate(_MONTHS, 1) if m.startswith(match.group(1)[:3].lower()))
        yield from _date(match.group(), match.group(3), str(month), match.group(2))
    for match in _CHINESE_DATE.finditer(text) if "月" in text else ():
        yield from _date(match.group(), *match.groups())


def _date(spelled: str, year: str | None, month: str, day: str) -> Iterator[tuple[str, str, str]]:
    """2024-03-15, and 03-15 beside it so that a date without a year is met too."""
    try:
        when = date(int(year or 2000), int(month), int(day))
    except ValueError:
        return
    if year:
        yield DATE, spelled, when.isoformat()
    yield DATE, spelled, f"{when:%m-%d}"


def _identifiers(text: str) -> Iterator[tuple[str, str, str]]:
    for match in _IDENTIFIER.finditer(text):
        spelled = match.group()
        parts = re.split(r"[-._]", spelled)
        if _VERSION.fullmatch(spelled):
            continue
        if parts[-1].lower() not in _SERVICE_SUFFIXES:
            if all(part.lower() in COMMON_WORDS for part in parts):
                continue
            if (
                "-" in spelled
                and spelled.islower()
                and all(part.isalpha() and len(part) < 4 for part in parts)
            ):
                continue  # up-to-date and its kind
        yield (PROJECT if "-" in spelled else TECH), spelled, spelled.lower()
    for word in _WORD.findall(text):
        if word.lower() in TECH_WORDS:
            yield TECH, word, word.lower()
    if _HAS_CJK.search(text):  # a Latin word amid Chinese is a term, however it is spelled
        for match in _WORD.finditer(text):
            word = match.group()
            if len(word) > 1 and word.lower() not in COMMON_WORDS and not _UNIT.search(text, *_before(match)):
                yield TECH, word, word.lower()


def _names(text: str) -> Iterator[tuple[str, str, str]]:
    """Runs of capitalised words as one name, their initials, and single ones that do not merely begin a sentence."""
    for match in _RUN.finditer(text):
        words = match.group().split(" ")
        begins = bool(_SENTENCE_END.search(text, *_before(match)))
        while words and (words[0].lower() in COMMON_WORDS or (begins and words[0].lower().endswith("ing"))):
            words.pop(0)
            begins = False
        while words and words[-1].lower() in COMMON_WORDS:
            words.pop()
        words = words[:5]
        if not words or not words[0][0].isalpha():
            continue
        spelled = " ".join(words)
        if len(words) > 1:
            yield CONCEPT, spelled, spelled.lower()
            letters = [word for word in words if word[0].isalpha()]
            if len(letters) >= 3:
                yield CONCEPT, spelled, "".join(word[0] for word in letters).lower()
            if len(letters) == 2 and letters[0].lower() not in COMMON_WORDS and len(letters[0]) > 1:
                yield CONCEPT, letters[0], letters[0].lower()
        elif (
            len(spelled) > 1 and (not begins or not spelled[1:].islower() or spelled.lower() in TECH_WORDS)
        ) or (len(spelled) > 2 and spelled.lower() not in COMMON_WORDS):
            yield CONCEPT, spelled, spelled.lower()


_PHRASE_WORD = re.compile(r"[^\W_]+(?:[-_.'’/@:][^\W_]+)*|[\u3400-\u9fff]+")
PHRASE_WORDS, PHRASE_CHARACTERS = 4, 6


def possible_names(query: str) -> list[str]:
    """What a query may call a thing by a name that somebody gave it: the rules' finds and every short phrase."""
    found = {thing.name: None for thing in entities(query)}
    words = _PHRASE_WORD.findall(query[:1_000].lower())
    for start in range(len(words)):
        for length in range(1, PHRASE_WORDS + 1):
            found[" ".join(words[start : start + length])] = None
    for run in re.findall("[\u3400-\u9fff]+", query[:200]):
        for start in range(len(run)):
            for length in range(2, PHRASE_CHARACTERS + 1):
                found[run[start : start + length]] = None
    return list(found)
