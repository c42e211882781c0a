"""What a new memory is to those already known: the same again, news that replaces one, a contradiction, or new.

Cosine does not decide: true updates and different facts of one template lie equally close (docs/decisions/0009).
Statements are compared by what they are about and what they say of it; when in doubt both are kept.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from memoria.assertions import is_addition, is_change, is_past, is_tentative
from memoria.contradiction import NEWS, Frame, frame, subject_words
from memoria.signals import is_fact
from memoria.tokens import STOP_WORDS, tokens
from memoria.types import MemoryType, TrustTier
from memoria.values import Value, comparable, spelled_alike, value


class Action(StrEnum):
    NEW = "new"
    DUPLICATE = "duplicate"
    UPDATE = "update"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Statement:
    """A memory as far as a decision needs it."""

    memory_id: str
    text: str
    memory_type: str
    trust_tier: str
    observed_at: datetime
    session_id: str | None = None
    subject_id: str | None = None
    may_replace: bool = True
    is_masking: bool = False
    """What masks in it stand for is known, and may be another than in a text that reads the same."""


@dataclass(frozen=True, slots=True)
class Decision:
    action: Action
    memory_id: str | None = None
    """The known memory it is about."""
    reason: str = ""


NEW = Decision(Action.NEW)
# Of two memories observed within this time the one that is written later counts as the later one.
AT_ONCE = timedelta(minutes=1)
# Statements of more characters are compared as wholes only.
LONGEST = 1_000

# Events, notes of the day and tool output are about their moment: a later one replaces nothing.
LASTING = frozenset({MemoryType.SEMANTIC, MemoryType.PROFILE, MemoryType.PROCEDURAL})

_LABEL = re.compile(r"^\s*(?:user|assistant|system|human|ai|bot|agent|tool)\s*[:：]", re.IGNORECASE)
# What separates what a statement is about from what it says of it, where one thing only can be said at a time.
_PREDICATE = re.compile(
    r"""
    \s+ (?P<verb>
        (?:lives?|living|resides?)\ in | (?:has\ |have\ )?moved\ to
      | (?:is|are|was|were)\ (?:based|located)\ (?:in|at) | (?:works?|working)\ (?:at|for) | reports?\ to
      | (?:is|are|was|were)\ (?:married|engaged)\ to | (?:runs?|running|hosted|deployed)\ (?:on|in)
      | (?:listens?|answers?)\ on
      | (?:is|are|was|were)\ (?:called|named|owned\ by|led\ by|set\ to|scheduled\ for|due\ on|due\ by)
      | (?:has\ been\ |was\ |were\ |is\ |are\ )?
        (?:changed|increased|decreased|raised|lowered|reduced|updated|upgraded|switched|migrated|moved|renamed|reset|set)
        \ to
      | expires?\ (?:on|in|after) | (?:opens?|closes?|leaves?|departs?|arrives?)\ at | (?:starts?|ends?)\ (?:at|on)
      | costs? | weighs? | takes? | equals? | (?:has|have)(?=\ \d) | is | are | was | were | =
      | (?P<loose>
            uses?(?=\ (?:\S+\ ){0,2}\S*\d)
          | (?:runs?|meets?|begins?|finish(?:es)?|(?:wakes?|gets?)\ up|go(?:es)?\ to\ bed)\ at(?=\ \d)
          | (?:pay|earn|spend|need|drink|eat|sleep|own|[a-z]+s)(?=\ [$€£¥]?\d)
        )
    ) \s+
    | (?P<sign>\s*[:：=]\s*)
    | (?P<chinese>
        (?P<chinese_loose>
            (?<![现正存所实])在(?!了?$)(?=  # then a time and nothing else
                (?:[每下本这]?(?:周|星期|礼拜)[一二三四五六日天末]|\d{1,2}月\d{1,2}[日号]|明天|后天)?
                (?:上午|下午|早上|中午|晚上)?
                (?:[\d一二三四五六七八九十两]{1,3}点半?|\d{1,2}[:：]\d\d)?了?$
            )
          | (?<![没所还只拥具享含])有(?=\d)
        )
      | (?P<age>(?:今年|现年)?(?=\d{1,3}岁了?$))
      | 现在是|目前是|改为|改成|变为|变成|换成|升级到|升级为|迁移到|搬到
      | 住在|位于|运行在|部署在|设置为|定为|叫做|名叫|是|(?<![行认因作成以])为
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_EQUALS = re.compile("is|are|was|were|=|:|：|是|为|现在是|目前是")
_SAME_PREDICATE = (
    ("live", r"liv|resid|住在|搬到"),
    ("place", r"based|located|位于"),
    ("work", r"work"),
    ("run", r"runs?\b|running|hosted|deployed|运行在|部署在"),
    ("listen", r"listen|answer"),
    ("name", r"called|named|renamed|叫"),
    ("owner", r"owned|led"),
    ("date", r"scheduled|due"),
)
# With "is" and "=", only for things that have one value at a time.
_ATTRIBUTE = re.compile(
    r"""
    (?: \b(?:
        name|e-?mail|phone|address|city|country|home\ ?town|time\ ?zone|language|colou?r|birthday|age|port|version
      | database|framework|owner|lead|manager|boss|limit|timeout|deadline|date|budget|price|cost|status|region
      | url|host|hostname|role|title|job|employer|location|size|width|height|weight|salary|rate|quota|threshold
      | interval
      | frequency|default|provider|vendor|branch|environment|currency|password\ policy|retention(?:\ period)?|ttl
      | capital|ceo|cto|editor|shell|theme|plan|tier|schedule|window|start\ time|end\ time|meeting|standup
      | favou?rite\ \w+
    )
    | (?:
        名字|邮箱|电话|地址|城市|时区|语言|颜色|生日|年龄|端口|版本|数据库|框架|负责人|经理|上限|限制|超时|日期|预算|价格
      | 状态|区域|职位|公司|大小|时间|阈值|间隔|频率|默认\w{0,6}|密码策略|保留期
    ))$
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OF_ALL_SORTS = frozenset(tokens("status state mood 状态"))
# Plain words are values of these; "the editor is slow" says nothing about which editor it is.
_IN_WORDS = frozenset(
    tokens("color colour status state mood mode favorite favourite frequency interval size")
)
_LABELS = frozenset(
    tokens("note todo bug tip step lesson decision task issue ticket error fix question idea")
)
# "A friend's name", "another port": there are more of them, and the next statement may be about the next one.
_INDEFINITE = re.compile(
    r"(?:an?|another|one|some|any|other|when)\b|另一|其中|有[个一]|某",
    re.IGNORECASE,
)
# "The api uses port 1" and "port 1 is used by the api"; "set replicas to 3" and "replicas are set to 3".
_USED_BY = re.compile(r"(?P<what>.+?)\s(?:is|are)\s(?:now\s)?used\sby\s(?P<user>.+)", re.IGNORECASE)
_BE = re.compile(r"\b(?:is|are|was|were)\b", re.IGNORECASE)
_SET = re.compile(r"set\s(?P<what>.+?)\sto\s(?=[$€£¥]?\d)", re.IGNORECASE)
# A thing can run, lie or be called by several at a time; only what says so ends the one before.
_SEVERAL = frozenset(("run", "place"))
_RELATIONS = frozenset(
    tokens(
        "daughter son child sister brother friend cousin aunt uncle cat dog pet colleague customer client provider"
    )
)
_CHINESE_RELATIONS = re.compile("女儿|儿子|孩子|姐姐|妹妹|哥哥|弟弟|朋友|猫|狗|同事|客户")
# Who speaks is known; whom "she" meant is not.
_OURSELVES = re.compile(r"i|we|我们?|咱们", re.IGNORECASE)
# One word of what a statement is about; little words tell it apart as well as great ones do.
_WORD = re.compile(r"[^\W_]+(?:['._/@:+#&-]+[^\W_]+)*[+#]*")
_SAYS_NOTHING = frozenset(("the", "a", "an", "current"))
_QUALIFIED = re.compile(r"\s+(?:of|for|at|in|on)\s+.*$", re.IGNORECASE)
_KEY = re.compile("x[ab][0-9a-f]{16}")
# Too common to look anything up by; comparing minds them.
_ARTICLES = frozenset("the a an our my their his her its your current new default primary main".split())


def decide(new: Statement, known: Sequence[Statement]) -> Decision:
    """The most telling relation of a new memory to the known ones; ties go to the newest known."""
    return next(iter(relations(new, known)), NEW)


def relations(new: Statement, known: Sequence[Statement]) -> list[Decision]:
    """What a new memory is to each known one that it is not simply new to, the most telling first."""
    found = [decision for each in known if (decision := _compared(new, each)).action is not Action.NEW]
    rank = {Action.DUPLICATE: 0, Action.UPDATE: 1, Action.CONFLICT: 2}
    newest = sorted(known, key=lambda each: each.observed_at, reverse=True)
    order = {each.memory_id: place for place, each in enumerate(newest)}
    return sorted(found, key=lambda d: (rank[d.action], order[d.memory_id or ""]))


def disagree(one: str, other: str) -> bool:
    """Whether two texts contradict each other, or one is news of the other, whoever said them and when."""
    both = _reading(one), _reading(other)
    return all(reading.is_comparable for reading in both) and bool(
        _difference(*both) or _difference(*reversed(both))
    )


def _compared(new: Statement, old: Statement) -> Decision:
    if (new.memory_type, new.subject_id) != (old.memory_type, old.subject_id):
        return NEW
    if old.session_id is not None and old.session_id != new.session_id:
        return NEW  # what was said in another conversation is not on the table
    mine, theirs = _reading(new.text), _reading(old.text)
    if mine.plain == theirs.plain:
        if new.session_id != old.session_id or new.is_masking:  # the same of the same is known by its hash
            return NEW
        return Decision(Action.DUPLICATE, old.memory_id, "the same words")
    if new.memory_type not in LASTING or not (mine.is_comparable and theirs.is_comparable):
        return NEW
    differs = _difference(mine, theirs)
    if differs is None:
        return NEW
    reason, replaces = differs
    if not replaces:
        return Decision(Action.CONFLICT, old.memory_id, reason)
    if new.session_id != old.session_id:
        return Decision(Action.CONFLICT, old.memory_id, f"{reason}, but in one conversation only")
    if not new.may_replace:
        return Decision(Action.CONFLICT, old.memory_id, f"{reason}, but not said by the user")
    if list(TrustTier).index(TrustTier(new.trust_tier)) > list(TrustTier).index(TrustTier(old.trust_tier)):
        return Decision(Action.CONFLICT, old.memory_id, f"{reason}, but from a less trusted source")
    if new.observed_at < old.observed_at - AT_ONCE:
        return Decision(Action.CONFLICT, old.memory_id, f"{reason}, but observed earlier")
    return Decision(Action.UPDATE, old.memory_id, reason)


@dataclass(frozen=True, slots=True)
class _Said:
    """A statement that says something of something."""

    topic: tuple[str, ...]
    """What it is about, word by word: whose, of what and where are a part of it."""
    about: frozenset[str]
    kind: str
    """Which predicate; "change" takes the place of any."""
    value: Value
    is_equated: bool
    """It is said with a mere "is" or a sign."""
    is_loose: bool
    """In words that may be true of several values at a time."""
    is_settled: bool
    """It is said as a fact that holds now, and not beside others."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What comparing needs to know of a text."""

    plain: str
    is_comparable: bool
    frame: Frame | None
    is_change: bool
    is_past: bool
    is_addition: bool
    said: _Said | None


@lru_cache(maxsize=2_048)  # a candidate is looked at for every item of a batch
def _reading(text: str) -> _Reading:
    text = " ".join(text.split())
    plain = _plain(text)
    if _LABEL.match(text) or not is_fact(text) or len(text) > LONGEST:
        return _Reading(plain, False, None, False, False, False, None)
    changes = NEWS.search(text) is not None or is_change(text)
    past, addition = is_past(text), is_addition(text)
    return _Reading(plain, True, frame(text), changes, past, addition, _said(text))


def _said(text: str) -> _Said | None:
    if (parts := _parts(text)) is None or (found := value(parts.says)) is None or not parts.about:
        return None
    return _Said(
        _topic(parts.before),
        parts.about,
        parts.kind,
        found,
        parts.is_equated,
        parts.is_loose,
        not is_tentative(text),
    )


def _topic(before: str) -> tuple[str, ...]:
    """The words of what a statement is about, in order; "the limit of the API" is "the API's limit"."""
    text = unicodedata.normalize("NFKC", NEWS.sub(" ", before)).replace("’", "'").replace("的", "").lower()
    found = [word.removesuffix("'s") for word in _WORD.findall(text)]
    words = [word for word in found if word not in _SAYS_NOTHING]
    if words.count("of") == 1:
        at = words.index("of")
        words = words[at + 1 :] + words[:at]
    return tuple(words)


def _plain(text: str) -> str:
    """The text without what says nothing: blanks, an end mark, capitals of plain words. "-18" stays apart from "18",
    "C++" from "C", "IT" from "it", and a path keeps its capitals.
    """
    words = spelled_alike(unicodedata.normalize("NFKC", text).replace("’", "'")).split()
    shouts = text.isupper()
    folded = (
        word.casefold()
        if (bare := word.strip(".,;:!?\"'()。，；：！？")).isalpha()
        and (shouts or len(bare) < 2 or not bare.isupper())
        else word
        for word in words
    )
    return " ".join(folded).rstrip(".!。！ ")


def _difference(mine: _Reading, theirs: _Reading) -> tuple[str, bool] | None:
    """Why the two cannot both hold, and whether the first may replace the other for that."""
    return _denial(mine, theirs) or _slot(mine, theirs) or _opposite(mine, theirs)


def _denial(mine: _Reading, theirs: _Reading) -> tuple[str, bool] | None:
    """One says what the other denies: news where it says that it no longer holds, else a contradiction."""
    new, old = mine.frame, theirs.frame
    if new is None or old is None or new.words != old.words or not new.words:
        return None
    if new.figures != old.figures or new.is_denied == old.is_denied:
        return None  # to deny one figure is not to deny another
    return "one denies the other", new.ends and not theirs.is_past


def _opposite(mine: _Reading, theirs: _Reading) -> tuple[str, bool] | None:
    """One says the opposite of the other. What is not enabled need not be what was disabled: both are kept."""
    new, old = mine.frame, theirs.frame
    if new is None or old is None or new.meant != old.meant or new.figures != old.figures:
        return None
    if mine.is_past or theirs.is_past:
        return None
    return None if new.holds == old.holds else ("one says the opposite of the other", False)


def decision_keys(text: str) -> tuple[str, ...]:
    """Words for the search text by which statements meet: what it is about, and all its words but denial. Two
    statements of which neither is simply new to the other have one of them in common.
    """
    text = " ".join(text.split())  # the rules below would try every blank of a long run
    return _decision_keys(text) if len(text) <= LONGEST else ()


@lru_cache(maxsize=2_048)  # asked twice of every text that is stored; long ones would be a hundred megabytes
def _decision_keys(text: str) -> tuple[str, ...]:
    if not is_fact(text) or _LABEL.match(text):
        return ()
    said = subject_words(text) - _ARTICLES - STOP_WORDS  # "likes" becomes one by its stem
    keys = [_key("b", said)] if said else []
    if (parts := _parts(text)) is not None and parts.about:
        keys.append(_key("a", parts.about))
    return tuple(keys)


def telling_keys(new: Statement) -> tuple[str, ...]:
    """The keys under which the known statements are found that a new one has to be compared with."""
    return decision_keys(new.text) if new.memory_type in LASTING else ()


def keys_in(search_text: str) -> list[str]:
    """The decision keys among the words of a search text, where they come last."""
    return [word for word in search_text.split()[-2:] if _KEY.fullmatch(word)]


def _key(kind: str, said: frozenset[str]) -> str:
    digest = hashlib.blake2b(" ".join(sorted(said)).encode(), digest_size=8)
    return f"x{kind}{digest.hexdigest()}"


def _slot(mine: _Reading, theirs: _Reading) -> tuple[str, bool] | None:
    """Both say another value of the same attribute of the same thing."""
    new, old = mine.said, theirs.said
    if new is None or old is None or not new.is_settled or new.topic != old.topic:
        return None
    if new.kind != old.kind and "change" not in (new.kind, old.kind):
        return None
    if mine.is_past or theirs.is_past or mine.is_addition or theirs.is_addition:
        return None
    here, there = new.value, old.value
    if here.amount is not None and there.amount is not None:
        if here.amount == there.amount:
            return None
    elif here.said <= there.said or there.said <= here.said:  # the same, or one only says more than the other
        return None
    if any(said.is_loose and said.kind != "change" for said in (new, old)) and not _differ_in_figures(
        here, there
    ):
        return None
    if not comparable(here, there, any_kind=bool(new.about & _OF_ALL_SORTS)):
        return None
    may_be_several = (
        new.is_loose
        or old.is_loose
        or new.kind in _SEVERAL
        or bool(new.about & _RELATIONS)
        or _CHINESE_RELATIONS.search(" ".join(new.topic)) is not None
    )
    if new.is_equated and here.kind == "words" and not new.about & _IN_WORDS:
        return "another word for the same attribute", False
    return "another value of the same attribute", mine.is_change or not may_be_several


def _differ_in_figures(here: Value, there: Value) -> bool:
    """Whether they are figures of the same thing: Python 3 and Go 1 may both be used."""
    is_figure = here.kind.startswith(("number", "figure", "clock"))
    return here.named == there.named and (is_figure or bool(here.named))


@dataclass(frozen=True, slots=True)
class _Parts:
    before: str
    about: frozenset[str]
    """The words before the predicate as tokens."""
    kind: str
    says: str
    is_equated: bool
    is_loose: bool


def _parts(text: str) -> _Parts | None:
    """A statement before and after its predicate; None where it has none of those below."""
    text, is_loose = _reworded(text.strip().rstrip(".。!！"))
    match = _PREDICATE.search(text)
    if match is None or _INDEFINITE.match(text):
        return None
    before, after = text[: match.start()], text[match.end() :]
    verb = (match["verb"] or match["chinese"] or match["sign"] or "").lower().strip()
    subject = frozenset(token for token in tokens(NEWS.sub(" ", before)) if token not in _ARTICLES)
    if not subject and (own := _OURSELVES.fullmatch(NEWS.sub(" ", before).strip())) is not None:
        subject = frozenset((own.group().lower(),))
    after = NEWS.sub(" ", after).strip()
    is_equated = _EQUALS.fullmatch(verb) is not None
    is_loose = is_loose or bool(match["loose"] or match["chinese_loose"])
    if match["loose"] and _BE.search(after):
        return None  # "tests 3 and 4 are slow" names tests
    if match["age"] is not None:
        kind = "age"
    elif is_equated:
        if not _ATTRIBUTE.search(_QUALIFIED.sub("", before.strip())) and not _is_figure(verb, subject, after):
            if not _is_time(after):
                return None
            is_loose = True
        kind = "change"
    else:
        kind = _kind_of(verb, is_loose)
    return _Parts(before, subject, kind, after, is_equated, is_loose)


def _reworded(text: str) -> tuple[str, bool]:
    """The text with its predicate between what it is about and what it says, and whether it was an instruction."""
    if (order := _SET.match(text)) is not None:
        return f"{order['what']} set to {text[order.end() :]}", True
    used = _USED_BY.fullmatch(text)
    if used is not None and re.search(r"\d", used["what"]) and not _BE.search(used["user"]):
        return f"{used['user']} uses {used['what']}", False
    return text, False


def _kind_of(verb: str, is_loose: bool) -> str:
    if is_loose and not verb.endswith("set to"):
        first, *rest = verb.split()
        return "change" if verb == "在" else " ".join((first.rstrip("s"), *rest))
    for name, pattern in _SAME_PREDICATE:
        if re.search(pattern, verb):
            return name
    if re.search(r" to$|改|变|换|升级|迁移|设置|定为", verb) and not re.search(
        "married|engaged|report", verb
    ):
        return "change"
    return verb.split()[0].rstrip("s")


def _is_time(said: str) -> bool:
    """Whether something is said to be then: on Monday, at noon."""
    return (
        said.startswith(("on ", "at "))
        and (found := value(said)) is not None
        and found.kind in ("day", "clock")
    )


def _is_figure(verb: str, subject: frozenset[str], said: str) -> bool:
    """Whether a figure is said of something, which is an attribute whatever it is called: "max connections = 100"."""
    found = value(said)
    return (
        found is not None
        and found.kind.startswith(("number", "figure"))
        and (len(subject) > 1 or verb not in (":", "："))
        and not subject & _LABELS
    )
