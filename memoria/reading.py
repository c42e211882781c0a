"""A closer look at the best facts: whether they say what the question wants to hear, or deny it.

"Which services use gRPC?" is as near to "the portal does not support gRPC" as to "the ledger calls gRPC inside": they
share the words, and nearly the meaning. What tells the two apart stands in the sentence itself, so ranking reads the
few facts that came out best. Every rule is a factor on their scores; where a question gives no rule a reason, nothing
is read. docs/decisions/0009 says what each is good for.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memoria.tokens import STOP_WORDS, tokens

# What is left of the score of a fact that denies what is asked for, tells of what is over, is about another thing of
# the kind, was true before the last turn, is yet to come, holds no time or no cause where one is wanted, is a guess
# or hearsay, or is about the very thing whose company is asked for.
DENIED = 0.4
FORMER = 0.6
OTHER = 0.5
SUPERSEDED = 0.5
PLANNED = 0.7
TIMELESS = 0.8
CAUSELESS = 0.8
DOUBTFUL = 0.85
ABOUT_ITSELF = 0.7
# What a turn is worth where the question is whether something still holds.
TURN = 1.25
# A fact with more than this share of the words of what is over is over.
MOSTLY = 0.6

_POLAR = re.compile(
    r"^\W*(?:is|are|was|were|do|does|did|has|have|had|can|could|should|will|would|may|must)\b"
    r"|(?:吗|(?<![什怎这那])么)\s*[?？]?\s*$|是否|有没有|是不是|能不能|要不要|该不该|可不可以",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(
    r"\b(?:not|never|no|without|avoid\w*|dislikes?|except|wrong|fail\w*|reject\w*|stop\w*|unable|cannot)\b|n['’]t\b"
    r"|[不没未无避忌]|除了|注意|讨厌|拒绝|禁止",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:was|were|did|had|before|previous\w*|former\w*|used to|history|ever|originally|initially|first|why"
    r"|changed?)\b"
    r"|以前|之前|过去|曾|原来|当时|上次|历史|为什么|最初|过[吗?？]",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"\b(?:still|now|currently|any ?more|any longer|should (?:we|i))\b"
    r"|现在|还在|目前|当前|如今|还[用是有]|应该|该不该",
    re.IGNORECASE,
)
_FUTURE = re.compile(
    r"\b(?:will|shall|plan\w*|going to|next|upcoming|future|roadmap|intend\w*|when)\b"
    r"|计划|打算|规划|将|会|准备|未来|明年|下[个周月]|什么时候|何时",
    re.IGNORECASE,
)
_SHOULD = re.compile(r"\bshould\b|应该|该不该|要不要", re.IGNORECASE)
_GUESS = re.compile(
    r"\b(?:might|could|maybe|perhaps|possib\w*|rumou?r\w*|heard|says?|said|thinks?|thought|wonder\w*|claim\w*|sure)\b"
    r"|可能|也许|或许|听说|据说|传言|谁说|确定",
    re.IGNORECASE,
)
_WHICH = re.compile(r"\b(?:which|what) (?!(?:is|was|does|has|this)\b)\w+s\b|哪些|哪几", re.IGNORECASE)
_WHEN = re.compile(r"\b(?:when|what (?:time|day|date))\b|什么时候|何时|几点|哪天|哪一天|多久", re.IGNORECASE)

_DENYING = re.compile(
    r"(?:\b(?:not|never|cannot|without|nor|no longer|instead of|rather than"
    r"|no(?! (?:more|later|less|fewer|longer|doubt|matter|one)\b))\b|n['’]t\b)(?P<said>[^.,;:()!?\n—]*)"
    r"|(?:不(?![仅同错过断少久但])|从未|尚未|并未|没有|没|未|无需|禁止)(?P<chinese>[^，。；,;:：（）()!！?？\n]*)",
    re.IGNORECASE,
)
_ENDING = re.compile(
    r"\b(?:no longer|(?:gave|given) up|stopped|quit)\b(?P<over>[^.,;:()!?\n—]*)"
    r"|(?:不再|停用|弃用|废弃|取消)(?P<chinese>[^，。；,;:：（）()!！?？\n]*)",
    re.IGNORECASE,
)
_BUT = re.compile(r"\b(?:but|only|and|while|because|so)\b|但|而是|只")
# "Not only" and "no longer on Mondays alone" deny nothing, "not by fax but by mail" nothing but the fax.
_ALONE = re.compile(
    r"\b(?:only|just|merely|alone|but (?:as|at|by|for|from|in|on|to|with))\b|[只仅]", re.IGNORECASE
)
# What is over is told together with what holds instead.
_INSTEAD = re.compile(
    r"\b(?:now|instead|also|nowadays|these days|since then|from now on|(?:no longer|not)\b[^.;:!?]{0,80}\bbut"
    r"|replaced (?:by|with)|(?:switched|moved|changed) to)\b|现在|改为|改用|改成|换成|取而代之",
    re.IGNORECASE,
)
# What somebody does not do or like is as much an answer as what they do.
_SELF = re.compile(r"\b(?:i|my|me|i['’](?:m|ve|d|ll))\b|我(?!们)", re.IGNORECASE)
_OVER = re.compile(
    r"\b(?:used to|(?:had|used|did) before|formerly|previously|no longer|(?:migrated|moved|switched) away"
    r"|(?:gave|given) up|quit|stopped"
    r"|moved off|rejected|dropped|abandoned|retired|deprecated|discarded|decommissioned|discontinued|ruled out"
    r"|(?:the|our) (?:previous|former)|our old|the old (?:one|way|version|system|server|process|rule|setup)"
    r"|until (?:19|20)\d\d)\b"
    r"|曾经|以前|之前用|不再|废弃|弃用|下线|停用|放弃|否决|淘汰|旧版|老系统",
    re.IGNORECASE,
)
_PLANNED = re.compile(
    r"\b(?:plans? to|planned (?:to|for)|intends? to|will (?:move|migrate|switch|adopt))\b"
    r"|计划(?=[在于把将从下明\s\d])|规划[:：]|打算|拟于",
    re.IGNORECASE,
)
# What some other thing never was says nothing about whether this one still is.
_NEVER = re.compile(r"\w\s+never\b|从未|从没|从来没", re.IGNORECASE)
_OURS = re.compile(r"\b(?:i|we|us|our|my)\b|[我咱]", re.IGNORECASE)
_DOUBTFUL = re.compile(
    r"\b(?:wonder\w* (?:if|whether)|perhaps|possibly|rumou?r\w*|unconfirmed|supposedly|allegedly|reportedly|not sure"
    r"|(?:some(?:one|body)|they) (?:says?|said|thinks?|thought|heard|claim\w*)|(?:have|has|i|we) heard"
    r"|might (?:be|have|use|go))\b|maybe|听说|据说|传言|有人说|也许|或许|不确定|未经证实",
    re.IGNORECASE,
)
_TURNED = re.compile(
    r"\b(?:abandon|remov|delete|uninstall|retir|deprecat|drop|paus|suspend|revert|return|roll\w* back|switch|migrat"
    r"|replac|stop|quit|mov\w+ (?:away|off|back)|discontinu|decommission|sunset|no longer|went back|is back"
    r"|gave up)\w*"
    r"|废弃|弃用|停用|暂停|停止|删除|卸载|换回|退回|回退|回滚|移除|下线|迁回|切回|改回|不再|取消|放弃|替换|淘汰|撤回|迁移回",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"\b(?:bug|issue|problem|error|fault|mismatch|slow|hard|fell|wrong|lost|loss|los(?:es|ing)|stuck|unable|unstable"
    r"|expensive|outage|accident|injur\w*|delay\w*|cancel\w*|complain\w*|confus\w*|refus\w*|reject\w*|damag\w*|spoil\w*"
    r"|corrupt\w*|overheat\w*|mislabel\w*|misread\w*|misrout\w*|misconfigur\w*|misplac\w*|fail\w*|crash\w*"
    r"|broke\w*|leak\w*|drop\w*|difficult\w*|regress\w*|conflict\w*|incompatib\w*|vulnerab\w*"
    r"|too (?:slow|late|loud|heavy|complex|small|big)"
    r"|(?:is|was|were|went|goes|been) down)\b"
    r"|问题|故障|失败|导致|下降|错误|错了|出错|混淆|投诉|抱怨|漏洞|漏[水油电气]|泄漏|泄露|白屏|崩溃|闪退|卡顿|超时|困难"
    r"|丢失|丢了|坏了|延迟|延误|过热|报警|事故|受伤|损失|流失|亏损|超支|退货|差评|冲突|不兼容|不[足准稳够能]|无法|太[慢贵重吵]",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"\d|\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|august|september"
    r"|october|november|december|daily|weekly|monthly|yearly|noon|midnight|morning|evening|night|today|tomorrow"
    r"|yesterday|week|month|year|spring|summer|autumn|winter|every)\b|[年月周天日]|星期|早上|晚上|凌晨|每",
    re.IGNORECASE,
)

_WHY = re.compile(r"\bwhy\b|\b(?:cause[ds]?|reasons?)\b|为什么|为何|原因|怎么会", re.IGNORECASE)
_CAUSE = re.compile(
    r"\b(?:because|caus(?:e|es|ed|ing)|due to|owing to|since|so that|reasons?|result(?:s|ed)? (?:of|in)"
    r"|le(?:ads|d) to|thanks to|(?:brought|triggered|explained) (?:in |on |about )?by|as a result|therefore|hence"
    r"|turned out)\b"
    r"|因为|由于|因此|所以|原因|根因|导致|引起|引发|造成|缘故",
    re.IGNORECASE,
)

_THING = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_./][A-Za-z0-9]+)*")
# "Project Alpha", "the Lyon team", 前端组的张伟: what stands beside the name in the question stands beside another
# one in a fact about something else.
_NAME = r"[A-Z][A-Za-z]*\d*|[A-Za-z]+\d[\w.]*"
_AFTER_NAME = re.compile(rf"\b(?=({_NAME})(?:'s)? ([a-z]{{3,}})\b)")
_NUMBERED = re.compile(
    r"\b(?=(service|project|team|server|phase|step|version|room|region|node|cluster|tenant|customer|group|plan|level"
    r"|error|code) ([a-z0-9]+)\b)",
    re.IGNORECASE,
)
# "class 7b", "plot 117", "Parcel HX-20": so is what a word numbers, whatever the word …
_FIGURED = re.compile(r"\b(?=([A-Za-z]{2,}) ([A-Za-z]{0,4}-?\d[\w.-]*)\b)")
# … but not where the figure is what others are compared with.
_COMPARED = re.compile(
    r"\b(?:since|after|before|until|than|above|below|over|under|between|from|at least|at most)\b",
    re.IGNORECASE,
)
# "Ann Hill" is neither Ann Mill nor Eve Hill.
_FULL_NAME = re.compile(r"\b(?=([A-Z][a-z]+) ([A-Z][a-z]+)\b)")
_OF_GROUP = re.compile(r"([\u4e00-\u9fff]{1,6}?)(?:组|部门|部|团队|小组)的([\u4e00-\u9fff]{2})")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question gives reason to look for in a fact."""

    terms: frozenset[str]
    asserts: bool
    """Asks for what is so: a fact that denies the question's words is no answer."""
    is_present: bool
    """Asks for what is so now: a fact that tells of what is over is none either."""
    is_future: bool
    """Asks for what is to come."""
    state: bool
    """Asks whether something still holds, or should: what changed it answers, what began it does not."""
    is_still: bool
    """And not whether it should."""
    when: bool
    why: bool
    which: frozenset[str]
    """Asked which ones have to do with these, what a fact says of these themselves is no answer."""
    is_guess: bool
    """Asks for guesses or hearsay itself."""
    kinds: frozenset[tuple[str, str]]
    """Things it names, each with its kind: facts about another one of the kind are not meant."""

    @property
    def reads_all(self) -> bool:
        """Whether facts are worth reading even where none of them is telling."""
        return bool(self.state or self.when or self.why or self.which or self.kinds)


def is_telling(text: str) -> bool:
    """Whether a text denies something, tells of what is over or to come, or guesses."""
    return any(rule.search(text) for rule in (_DENYING, _OVER, _PLANNED, _DOUBTFUL))


def asked(query: str) -> Asked:
    """Read what a query wants of the facts that answer it."""
    is_polar = _POLAR.search(query) is not None
    asserts = not is_polar and _NEGATIVE.search(query) is None
    return Asked(
        terms=frozenset(token for token in tokens(query) if len(token) > 1),
        asserts=asserts,
        is_present=asserts and _PAST.search(query) is None,
        is_future=_FUTURE.search(query) is not None,
        state=is_polar and _STATE.search(query) is not None,
        is_still=is_polar and _STATE.search(query) is not None and _SHOULD.search(query) is None,
        when=_WHEN.search(query) is not None,
        why=_WHY.search(query) is not None,
        which=frozenset(_things(query)) if _WHICH.search(query) else frozenset(),
        is_guess=_GUESS.search(query) is not None,
        kinds=_kinds(query, figures=not is_polar and _COMPARED.search(query) is None),
    )


def factors(
    question: Asked, texts: Sequence[str], observed: Sequence[float], tiers: Sequence[int]
) -> list[float]:
    """What the score of each fact is multiplied by. `observed` in seconds since 1970, `tiers` the most trusted
    first.
    """
    found = [_alone(question, text) for text in texts]
    if question.is_present:
        return [a * b for a, b in zip(found, _ended(texts, observed, tiers), strict=True)]
    if question.state:
        return [a * b for a, b in zip(found, _turns(texts, observed), strict=True)]
    return found


def _alone(question: Asked, text: str) -> float:
    factor = 1.0
    if question.asserts and not _SELF.search(text):
        factor *= 1 - (1 - DENIED) * _denied(question.terms, text)
    if question.is_present and _OVER.search(text) and not _INSTEAD.search(text):
        factor *= FORMER
    if question.is_present and not question.is_future and _PLANNED.search(text):
        factor *= PLANNED
    if question.is_still and _NEVER.search(text) and not _OURS.search(text):
        factor *= OTHER
    if not question.is_guess and _DOUBTFUL.search(text):
        factor *= DOUBTFUL
    if question.kinds and _is_of_another(question.kinds, text):
        factor *= OTHER
    if question.when and not _TIME.search(text):
        factor *= TIMELESS
    if question.why and not _CAUSE.search(text):
        factor *= CAUSELESS
    if (
        question.which
        and (first := _THING.match(text)) is not None
        and first.group().lower() in question.which
    ):
        factor *= ABOUT_ITSELF
    return factor


def _denied(terms: frozenset[str], text: str) -> float:
    """The share of the terms in a text that it denies and says nowhere else."""
    held = terms.intersection(tokens(text))
    denied: set[str] = set()
    affirmed, end, at = "", 0, 0
    while held and (match := _DENYING.search(text, at)) is not None:
        at = match.end()
        said = match.group("said") or match.group("chinese") or ""
        if not _ALONE.search(said):
            span = _BUT.split(said)[0]
            denied.update(tokens(span))
            start = match.end() - len(said)  # what is denied ends the match
            affirmed += f"{text[end:start]} "
            at = end = start + len(span)
    if held & denied:
        denied.difference_update(tokens(affirmed + text[end:]))
    return len(held & denied) / max(len(held), 1)


def _ended(texts: Sequence[str], observed: Sequence[float], tiers: Sequence[int]) -> list[float]:
    """Less for what a later fact, trusted as much, says is no longer so."""
    ends = [
        (frozenset(tokens(_BUT.split(match.group("over") or match.group("chinese") or "")[0])), at, tier)
        for text, at, tier in zip(texts, observed, tiers, strict=True)
        for match in _ENDING.finditer(text)
    ]
    ends = [(over, at, tier) for over, at, tier in ends if len(over) > 1]
    if not ends:
        return [1.0] * len(texts)
    held = [frozenset(tokens(text)) for text in texts]
    return [
        SUPERSEDED
        if any(
            at < later and tier >= trust and len(over & words) > MOSTLY * len(over)
            for over, later, trust in ends
        )
        else 1.0
        for words, at, tier in zip(held, observed, tiers, strict=True)
    ]


def _turns(texts: Sequence[str], observed: Sequence[float]) -> list[float]:
    """Facts that tell of a turn count more; what is older than the last one, and no reason for it, less."""
    turned = [_TURNED.search(text) is not None for text in texts]
    last = max((at for at, turn in zip(observed, turned, strict=True) if turn), default=None)
    if last is None:
        return [1.0] * len(texts)
    return [
        TURN if turn else SUPERSEDED if at < last and not _TROUBLE.search(text) else 1.0
        for text, at, turn in zip(texts, observed, turned, strict=True)
    ]


def _things(query: str) -> Iterator[str]:
    """Identifiers and names in a question, in small letters."""
    for match in _THING.finditer(query):
        word = match.group()
        if match.start() and (not word.islower() or "-" in word) and word.lower() not in STOP_WORDS:
            yield word.lower()


def _kinds(text: str, *, figures: bool = True) -> frozenset[tuple[str, str]]:
    """Names, and `figures`, with what they stand beside: the kind of thing that they tell apart."""
    found = [(f"{kind} _", name) for kind, name in _NUMBERED.findall(text)]
    found += [(f"_ {kind}", name) for name, kind in _AFTER_NAME.findall(text)]
    found += [(f"_ {person}", group) for group, person in _OF_GROUP.findall(text)]
    found += [(f"{kind} #", figure) for kind, figure in _FIGURED.findall(text)] if figures else []
    for first, last in _FULL_NAME.findall(text):
        found += [(f"{first} _", last), (f"_ {last}", first)]
    lowered = ((kind.lower(), name.lower()) for kind, name in found)
    return frozenset(
        (kind, name) for kind, name in lowered if not STOP_WORDS.intersection((*kind.split(), name))
    )


def _is_of_another(wanted: frozenset[tuple[str, str]], text: str) -> bool:
    low = text.lower()
    kinds = {kind for kind, _ in wanted} - {kind for kind, name in wanted if name in low}
    if not any(kind.strip("_# ") in low for kind in kinds):  # most facts: reading their kinds takes longer
        return False
    return any(kind in kinds for kind, _ in _kinds(text))
