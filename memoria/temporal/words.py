"""The words that name times, in English and Chinese; memoria/temporal/grammar.py says how they go together."""

import re
from collections.abc import Callable
from functools import partial

from memoria.temporal import spans
from memoria.temporal.lexicon import Lexicon, phrases
from memoria.temporal.names import Bound
from memoria.temporal.spans import Span, Unit

FIRST_YEAR, LAST_YEAR = 1990, 2099  # other numbers of four digits are seldom years that a memory is of


def _numbered(names: str, first: int = 1) -> dict[str, int]:
    return {name: number for number, name in enumerate(names.split(), first)}


CHINESE = re.compile(r"[\u3400-\u9fff]")

MONTH_NAMES = _numbered(
    "january february march april may june july august september october november december"
)

MONTHS = MONTH_NAMES | {name[:3]: number for name, number in MONTH_NAMES.items()} | {"sept": 9}

WEEKDAYS = _numbered("monday tuesday wednesday thursday friday saturday sunday", 0)

CHINESE_WEEKDAYS = _numbered("一 二 三 四 五 六 日", 0) | {"天": 6}

SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}

CHINESE_SEASONS = {"春": 3, "夏": 6, "秋": 9, "冬": 12}

ORDINALS = _numbered("first second third fourth fifth sixth seventh eighth ninth tenth")

ORDINALS |= {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4}

SMALL = _numbered(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)

TENS = _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 2)

NUMBERS = SMALL | {ten: 10 * count for ten, count in TENS.items()}

NUMBERS |= {
    f"{ten}-{name}": 10 * count + one
    for ten, count in TENS.items()
    for name, one in SMALL.items()
    if one < 10
}

CHINESE_DIGITS = _numbered("零 一 二 三 四 五 六 七 八 九", 0) | {"〇": 0, "两": 2}

# Numbers that mean some, as the least and the most.
SOME = Lexicon(
    {
        "a|an": (1, 1),
        "a couple of|couple of": (1, 3),
        "a few|few|几|好几": (2, 6),
        "several|数": (3, 9),
        "十几": (11, 19),
        "a dozen": (12, 12),
    }
)

UNITS = Lexicon(
    {
        "minute|minutes|分钟": Unit.MINUTE,
        "hour|hours|小时|个小时|钟头|个钟头": Unit.HOUR,
        "day|days|天|日": Unit.DAY,
        "week|weeks|周|星期|个星期|礼拜|个礼拜": Unit.WEEK,
        "month|months|个月": Unit.MONTH,
        "quarter|quarters|季度|个季度": Unit.QUARTER,
        "year|years|年": Unit.YEAR,
    }
)

# The unit that half a unit is counted in, and how many of them a whole one has.
HALVES = {
    Unit.HOUR: (Unit.MINUTE, 60),
    Unit.DAY: (Unit.HOUR, 24),
    Unit.MONTH: (Unit.DAY, 30),
    Unit.YEAR: (Unit.MONTH, 12),
}

HALF_INSIDE = Lexicon({"个半月": Unit.MONTH, "个半小时|个半钟头": Unit.HOUR})

HALF_BEHIND = phrases("and a half", "半")

NAMED = Lexicon(
    {
        "today|this morning|this afternoon|this evening|tonight|今天|今日|今早|今晚": (Unit.DAY, 0),
        "yesterday|昨天|昨日": (Unit.DAY, -1),
        "the day before yesterday|day before yesterday|前天": (Unit.DAY, -2),
        "大前天": (Unit.DAY, -3),
        "tomorrow|明天|明日": (Unit.DAY, 1),
        "后天": (Unit.DAY, 2),
        "week before last": (Unit.WEEK, -2),
        "weekend before last": (Unit.WEEKEND, -2),
        "month before last": (Unit.MONTH, -2),
        "year before last": (Unit.YEAR, -2),
        "今年": (Unit.YEAR, 0),
        "去年": (Unit.YEAR, -1),
        "前年": (Unit.YEAR, -2),
        "大前年": (Unit.YEAR, -3),
        "明年": (Unit.YEAR, 1),
        "当月": (Unit.MONTH, 0),
    }
)

LAST_NIGHT = phrases("last night", "昨晚", "昨夜")

OTHER_DAY = phrases("the other day", "前些天", "前几天")

PART_OF_DAY = phrases(
    *("morning", "afternoon", "evening", "night"), *"早上|早晨|上午|中午|下午|傍晚|晚上|夜里|凌晨".split("|")
)

WHICH = Lexicon(
    {
        "this|the current|current|这|这个|这一|本": 0,
        "last|previous|上|上个|上一个|上一": -1,
        "上上|上上个": -2,
        "next|coming|下|下个|下一个|下一": 1,
    }
)

WHOLE_UNITS = Lexicon(
    {
        "week|周|星期|礼拜": Unit.WEEK,
        "weekend|周末": Unit.WEEKEND,
        "month|月": Unit.MONTH,
        "quarter|季度": Unit.QUARTER,
        "year|年": Unit.YEAR,
    }
)

WEEK = phrases("周", "星期", "礼拜")

ROLLING = phrases("past", "last", "previous", *"过去|过去的|过去这|最近|最近的|最近这|近|这|前".split("|"))

AGO = phrases("ago", "earlier", "前", "以前", "之前")

UP_TO_NOW = phrases("以来", "来")

NOT_YET = phrases("from now", "later", "后", "以后", "之后", "内", "之内", "以内")

OVER = phrases("more than", "over")

PARTS = Lexicon[Callable[[Span], Span]](
    {
        "early|beginning of|start of": spans.early,
        "mid|middle of": spans.middle,
        "late|end of": spans.late,
        "first half of": partial(spans.share, part=0, parts=2),
        "second half of": partial(spans.share, part=1, parts=2),
    }
)

CHINESE_PARTS = Lexicon[Callable[[Span], Span]](
    {
        "初|年初|月初|上旬": spans.early,
        "年中|中旬": spans.middle,
        "底|末|年底|月底|年末|月末|下旬": spans.late,
        "上半年": partial(spans.share, part=0, parts=2),
        "下半年": partial(spans.share, part=1, parts=2),
    }
)

BOUND_BEFORE = Lexicon(
    {
        "in|on|at|during|within|of|over|throughout|from|在|于|从": Bound.WITHIN,
        "before|prior to|earlier than": Bound.BEFORE,
        "until|till|by|up to|up to and including|up until|through|直到|截至|截止": Bound.UNTIL,
        "after|later than": Bound.AFTER,
        "since|ever since|starting|starting on|starting from|自从|自": Bound.SINCE,
    }
)

BOUND_BEHIND = Lexicon(
    {
        "之前|以前|前": Bound.BEFORE,
        "为止": Bound.UNTIL,
        "之后|以后|过后|后": Bound.AFTER,
        "onwards|onward|until now|till now|to now|to date|以来|至今|到现在|到今天|起|开始": Bound.SINCE,
    }
)

RANGE_BEFORE = phrases("from", "between", "从")

JOINTS = phrases(*"to|through|until|till|and|or|-|–|—|~|到|至|和|或".split("|"))

DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")

ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:t[\d:.]+z?)?|(\d{4})[-/](\d\d)")

NUMERIC = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")

QUARTER, HALF = re.compile(r"q([1-4])"), re.compile(r"h([12])")

TWO_DAYS, TWO_YEARS = re.compile(r"(\d{1,2})-(\d{1,2})"), re.compile(r"(\d{4})-(\d{4})")

# A number behind these is none of time.
NUMBERED = frozenset(
    "version v build port rfc iso ticket issue room error code model windows office number no page chapter".split()
)

# Persons and verbs have these names too.
NAMES_TOO = frozenset("april may june august jan".split())

VERBS, DATED = frozenset(("may", "march")), frozenset("on of since until from by before after".split())

MEASURES = frozenset("people men women ms px kb mb gb km kg percent eur usd euro".split())

# What may stand behind a date; another word makes a number before it one of things.
NO_THING = frozenset(
    "i we you he she it they my our your his her their the a an this that and or but with at in on about for from to"
    " by as was were is are did do does had has have when what which who whom where how why if because while until"
    " till through of before after since between not there us 's".split()
)

# What makes of a character of time another word: 周期, 年级, 月球; 晚上月亮, 以上周期; 五月天, 十月革命.
OTHERWISE = {"周": "期刊报年长游边围转", "年": "级龄纪轻", "月": "球亮饼天革"}

NO_LAST = frozenset("以晚早马线网身路楼海天地床桌一")

# English words with which a time, or its bound, may begin; most words of most texts are none of them.
BEGINNINGS = frozenset(("half", *MONTHS, *SEASONS, *WEEKDAYS, *ORDINALS, *NUMBERS)).union(
    *(each.beginnings for each in vars().copy().values() if isinstance(each, Lexicon))
)
