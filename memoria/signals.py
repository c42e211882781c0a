"""What ranking wants to know of a text beside its words: its names, whether it is a short fact, and its tone.

Computed once, when a memory is written, and kept as marks at the end of its search text: words that no token looks
like, so that full-text search never meets them. The same rules read queries.
"""

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache

from memoria.entities import plain
from memoria.passages import passages, words_in
from memoria.reading import is_telling
from memoria.tokens import STOP_WORDS, encoded, tokens

# A fact is short and asks nothing; anything else is a message. Only facts are linked to each other over names.
FACT_WORDS = 60
# Tone is read off the beginning, names too where a text is long.
LEAD = 300
LONG = 600

STRONG, WEAK = "n", "v"
FACT, INSTRUCTION, PREFERENCE, VOICE, TELLING = "xf", "xi", "xp", "xv", "xt"
VOICE_STEPS = 10

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
_PAIR = re.compile(f"[{_CJK}]{{2}}")
_LABEL = re.compile(r"^\s*\w{1,20}\s*[:：]\s")
_FIRST = re.compile(
    r"\b(?:i|i'm|i've|i'd|i'll|me|my|mine|myself|we|our|us|we're|we've|ours)\b|[我咱]", re.IGNORECASE
)
_SECOND = re.compile(r"\b(?:you|your|yours|you're|you've|you'd|you'll|yourself)\b|[你您]", re.IGNORECASE)
_INSTRUCTION = re.compile(
    r"(?:^|[.!?\n]\s*)(?:please\s+|and\s+)?(?:always|never|whenever|every time|from now on|going forward|"
    r"in (?:the )?future|remember (?:to|that)|(?:do not|don't) (?:ever|forget)|make sure (?:to|you) always)\b"
    r"|以后|今后|每次都|总是|始终|永远|务必|请记住|不要再|一律",
    re.IGNORECASE,
)
_TO_US = re.compile(
    r"\bwhen(?:ever)? (?:i|we)(?:'m)? (?:ask|mention|say|write|talk|want|need|request)|当我|我问",
    re.IGNORECASE,
)
_PREFERENCE = re.compile(
    r"\b(?:prefers?|preference|preferred|favou?rite|rather than)\b|喜欢|偏好|偏爱|讨厌|更愿意|习惯",
    re.IGNORECASE,
)

_CANDIDATE = re.compile(rf"@?[A-Za-z0-9]+(?:[-_./:+&][A-Za-z0-9]+)*|@[{_CJK}\w]{{2,8}}")
_OTHER_LATIN = re.compile("[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
_VERSION = re.compile(r"v?\d+\.\d+(\.\d+)*")
_FIGURE = re.compile(r"[\d.,:%/+-]+[a-z]{0,3}")
_JOINED = re.compile(r"[A-Za-z0-9][-_./:+&][A-Za-z0-9]")
_CAMEL = re.compile(r"[a-z][A-Z]")
_LONG_NAME = re.compile(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+){2,4}\b")
# Capitalised or not, these name nothing by themselves.
_COMMON = frozenset(
    "api apis http https url json html css sql id user users assistant system ok q1 q2 q3 q4 monday tuesday"
    " wednesday thursday friday saturday sunday january february march april may june july august september"
    " october november december p99 p95 the this that i it we he they in on at for with if when while after"
    " before however also lead tech".split()
)
_SURNAMES = (
    "王李张刘陈杨赵黄吴徐孙朱胡郭林罗梁宋郑谢韩唐冯董程曹袁邓傅沈彭吕苏卢蒋蔡贾魏薛叶阎潘杜戴夏钟汪田姜范姚谭廖邹熊"
    "陆郝孔崔邱秦顾侯邵孟龙段雷钱汤尹黎易武乔贺赖龚庞"
)
# Surnames that begin other words as often, with what makes a word of them: names only of whom something is told that
# only people do or are.
_SURNAMES_TOO = (
    "周(?![一二三四五六日天末报期年岁边围内转])|何(?![时处必况人种等以不])|高(?![级度效性速层温中校大小低管铁考兴峰并品质压频价])"
    "|马(?![上路车达力克拉桶虎蹄])|许(?![多久可诺愿])|曾(?![经])|于(?![是此])|任(?![何务意职期])|余(?![额下量地])|丁(?![字])"
    "|石(?![头油墨英材])|方(?![案法面便式向针块才位])|金(?![额融属色库价])|江(?![南苏西河])|万(?![一元能])|常(?![见用常规年务])"
    "|安(?![全排装静心卓])|施(?![工行加])|温(?![度水泉暖室和])|康(?![复])|向(?![上下前后])|齐(?![全])|白(?![天色板名])|关(?![于闭键注系联])"
    "|成(?![本功为果员都立长])|华(?![为东南北])|车(?![间辆库位站票主])|房(?![间价租子东])"
)
_AFTER_NAME = (
    "负责|提出|设计|说|表示|认为|建议|在|是|上周|本周|昨天|今天|最近|发现|写|修|做|把|用|有|和|与|、|，|。|的|团队|喜欢|想"
    "|要|去|住|买|会|不"
)
_ONLY_PEOPLE = (
    "负责|提出|说|表示|认为|主持|担任|写|修|喜欢|想|住|去|买|管(?!理)"
    "|是[^，。；\n]{0,12}(?:主管|经理|组长|队长|班长|主任|老师|医生|护士|院长|校长|工程师|负责人|同事|朋友|lead)"
)
_CHINESE_NAME = re.compile(
    rf"(?:^|(?<=[^{_CJK}])|(?<=[的由给让请找和与、是]))"
    rf"(?:(?:[小老阿](?:[{_SURNAMES}]|{_SURNAMES_TOO})|[{_SURNAMES}][{_CJK}]{{1,2}}?)(?={_AFTER_NAME}|$|[^{_CJK}])"
    rf"|(?:{_SURNAMES_TOO})[{_CJK}]{{1,2}}?(?={_ONLY_PEOPLE}))"
)
_QUALIFIER_LENGTH = 9
_QUALIFIER = re.compile(rf"([{_CJK}]{{2,6}}?)(?:组|部|部门|团队|小组)?的$")


@dataclass(frozen=True, slots=True)
class Names:
    """Encoded tokens of names. Weak: a capitalised word that may be one only because a sentence starts with it."""

    strong: frozenset[str]
    weak: frozenset[str]
    qualifiers: tuple[str, ...] = ()
    """What narrows a Chinese name down: 前端 in 前端组的张伟."""
    initials: tuple[tuple[str, frozenset[str]], ...] = ()
    """How a name of three words or more is shortened, and the names that the short form stands for."""


def names(text: str) -> Names:
    """Identifiers, versions, capitalised words, Latin words among Chinese ones, @names, Chinese names."""
    written = text = _LABEL.sub("", text)
    if _OTHER_LATIN.search(text):  # the rules look at ASCII letters; what is kept is what was written
        written = unicodedata.normalize("NFKC", text)
        text = plain(written)
    is_cjk = re.search(f"[{_CJK}]", text) is not None
    strong: set[str] = set()
    weak: set[str] = set()
    for match in _CANDIDATE.finditer(text):
        word, spelled = match.group(), written[match.start() : match.end()]
        if word.startswith("@"):
            strong.update(token for token in tokens(spelled[1:]) if len(token) > 1)
            continue
        if not is_cjk and word.isalpha() and word.islower():  # most words, for which no rule below is
            continue
        if (found := _of_word(spelled)) is None:
            continue
        before = text[: match.start()].rstrip(" ")
        starts = not before or before[-1] in ".!?。！？\n:：;；*#-"
        near = text[max(0, match.start() - 2) : match.start()] + text[match.end() : match.end() + 2]
        if (
            _is_identifier(word)
            or (word[0].isupper() and (not starts or word.isupper() or is_cjk))
            or (is_cjk and len(word) > 2 and re.search(f"[{_CJK}]", near))
        ):
            strong.update(found)
        elif word[0].isupper():
            weak.update(found)
    qualifiers: list[str] = []
    for match in _CHINESE_NAME.finditer(text) if is_cjk else ():
        strong.update(_bigrams(match.group()))
        before = text[max(0, match.start() - _QUALIFIER_LENGTH) : match.start()]
        if (narrowed := _QUALIFIER.search(before)) is not None:
            qualifiers += _bigrams(narrowed.group(1))
    initials = [
        (encoded("".join(word[0] for word in full.split()).lower()), frozenset(map(encoded, tokens(full))))
        for full in _LONG_NAME.findall(text)
    ]
    return Names(
        frozenset(map(encoded, strong)) | {short for short, _ in initials},
        frozenset(map(encoded, weak - strong)),
        tuple(map(encoded, qualifiers)),
        tuple(initials),
    )


def names_asked(query: str) -> Names:
    """The names in a query. No rule knows all Chinese ones, so any pair of characters is a weak one: it counts where
    some memory has it as a name.
    """
    found = names(query)
    pairs = {encoded(token) for token in tokens(query) if len(token) == 2 and _PAIR.match(token)}
    return replace(found, weak=found.weak | (pairs - found.strong))


@lru_cache(maxsize=50_000)
def _of_word(word: str) -> tuple[str, ...] | None:
    """The tokens by which a word is known as a name; None for figures and common words."""
    low = word.lower()
    if _VERSION.fullmatch(low):
        return tuple(tokens(word)[:1])
    if low in _COMMON or low in STOP_WORDS or len(low) < 2 or _FIGURE.fullmatch(low):
        return None
    found = tuple(
        token
        for part in word.split(":")
        for token in tokens(part)
        if token not in _COMMON and not token.isdigit()
    )
    is_whole = re.search("[-_]|[a-z][A-Z]", word)  # such an identifier counts as a whole
    return found[:1] if is_whole else found


@lru_cache(maxsize=50_000)
def _is_identifier(word: str) -> bool:
    mixed = re.search(r"\d", word) and re.search("[A-Za-z]", word)
    return bool(_VERSION.fullmatch(word.lower()) or _JOINED.search(word) or mixed or _CAMEL.search(word))


def _bigrams(name: str) -> list[str]:
    return [name[at : at + 2] for at in range(len(name) - 1)]


def voice(text: str) -> float:
    """-1 … 1: somebody's own statement against advice to somebody, by the persons it speaks in."""
    lead = _LABEL.sub("", text)[:LEAD].replace("’", "'")
    first, second = len(_FIRST.findall(lead)), len(_SECOND.findall(lead))
    return (first - second) / (first + second + 2)


def is_fact(text: str) -> bool:
    return "?" not in text and "？" not in text and words_in(text) <= FACT_WORDS


def marks(text: str) -> list[str]:
    """The signals of a memory's text as words for its search text."""
    lead = _LABEL.sub("", text)[:LEAD]
    found = names(text if len(text) < LONG else passages(text, 1)[0])
    words = [STRONG + token for token in sorted(found.strong)] + [
        WEAK + token for token in sorted(found.weak)
    ]
    words += [FACT] if is_fact(text) else []
    # Of a turn the tone tells how it is meant; a bare fact is meant when it is to the point.
    if FACT not in words or _LABEL.match(text) or _TO_US.search(lead):
        words += [INSTRUCTION] if _INSTRUCTION.search(lead) else []
        words += [PREFERENCE] if _PREFERENCE.search(lead) else []
    words += [TELLING] if FACT in words and is_telling(text) else []
    if level := round(voice(text) * VOICE_STEPS):
        words.append(f"{VOICE}{level + VOICE_STEPS}")
    return words
