"""How a statement is meant: as a fact that holds now, as a possibility, as somebody's words, as an addition, as past.

Only what is said as a fact may end another one; a possibility that is overlooked here costs a fact. A fact that is
taken for a possibility is merely kept beside what it is news of.
"""

import re

# "May" and "Will" with a capital are a month and a name.
_MODAL = re.compile(r"\b(?:may|might|could|would|should|shall|will|ought|must|won't|wouldn't)\b|'(?:ll|d)\b")
_POSSIBLE = re.compile(
    r"""
    \b(?:
        maybe|perhaps|possibly|probably|presumably|apparently|supposedly|allegedly|reportedly|likely
      | tentative(?:ly)?|provisional(?:ly)?|potential(?:ly)?|hypothetical(?:ly)?|theoretical(?:ly)?
      | in\ theory|in\ principle|hopefully|almost|nearly|not\ sure|unsure|uncertain|unclear|undecided|if
      | unless|whether|suppose\w*|assume\w*|assuming|imagine\w*|imagining|in\ case|provided|otherwise
      | until\ further\ notice|wish\w*|hop(?:es?|ed|ing)|wants?|wanted|would\ like|think\w*|thought
      | believ\w+|guess\w*|feels?|felt|suspect\w*|doubt\w*|consider\w*|wonder\w*
      | (?:plan|plans|planned|planning)\ (?:to|on)|going\ to|intend\w*|about\ to|try(?:ing)?\ to|tries\ to
      | tends?\ to|dreams?|propos(?:e[sd]?|ing)|suggest\w*|recommend\w*|requested|ask(?:s|ed|ing)|expect\w*
      | predict\w*|estimated|forecast|rumou?r\w*|heard|seems?|seemed|appears?|appeared|looks?\ like
      | sounds?\ like|according\ to|quot\w+|say|says|said|saying|tells?|told|claim\w*|report(?:s|ed)\ that
      | mention\w*|promise\w*|promising|argu(?:es?|ed)|insist\w*|for\ example|e\.g|pretend\w*
      | jok(?:ed|es|ing|ingly)|temporar\w+|for\ now|for\ the\ time\ being|this\ (?:once|time)
    )\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_POSSIBLE_CHINESE = re.compile(
    "可能|也许|或许|大概|大约会|如果|假如|假设|要是|除非|应该|应当|想要?(?!法)|打算|计划|希望|差点|差一点|建议|据说|听说|传说|说"
    "|认为|觉得|以为|估计|预计|似乎|好像|恐怕|将会?|要(?:搬|换|改)|准备|是否|是不是|考虑|吗|呢|吧|未必|不一定|暂时|例如|比如|一旦"
)
_ADDITION = re.compile(
    r"\b(?:also|too|as\ well|additional(?:ly)?|in addition|besides|another|extra|either|both|moreover|plus|further"
    r"|alternative(?:ly)?|sometimes|occasionally|often|usually)\b"
    r"|也|还(?!款|原)|另外|另有|此外|同时|再加|以及|有时|偶尔|除了",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:was|were)\b(?! \w+(?:ed|set)\b)|\b(?:used to|formerly|previously|earlier|in the past|back then|had been"
    r"|at (?:the|that) time|originally|initially|at first)\b"
    r"|原来|以前|曾经?|之前|过去|当时|当初|最初",
    re.IGNORECASE,
)
# What changed then has been so since.
_THEN = re.compile(
    r"\b(?:yesterday|ago|last (?:year|month|week|time|spring|summer|autumn|fall|winter))\b"
    r"|去年|前年|上周|上个?月|昨天",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"\b(?:moved|changed|switched|migrated|renamed|upgraded|increased|decreased|raised|lowered|reduced|updated"
    r"|reset) to\b"
    r"|改为|改成|变为|变成|换成|升级|迁移到|搬到",
    re.IGNORECASE,
)


def is_tentative(text: str) -> bool:
    """Whether it tells what may be, will be, should be, or what somebody says, rather than what is."""
    return any(pattern.search(text) for pattern in (_MODAL, _POSSIBLE, _POSSIBLE_CHINESE))


def is_addition(text: str) -> bool:
    """Whether it holds beside others of its kind."""
    return _ADDITION.search(text) is not None


def is_change(text: str) -> bool:
    """Whether it says that something became what it was not."""
    return _CHANGED.search(text) is not None


def is_past(text: str) -> bool:
    """Whether it tells what was so before. What "was moved to" somewhere, yesterday or now, is there now."""
    return _PAST.search(text) is not None or (_THEN.search(text) is not None and not is_change(text))
