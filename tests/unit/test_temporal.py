"""What a query asks of time."""

import calendar
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.temporal import Intent, asks_for_time_alone, intent

NOW = datetime(2026, 5, 20, 15, 30, tzinfo=UTC)  # a Wednesday

WINDOWS = """
    what did I say today?                                | 2026-05-20..2026-05-21
    what did I say yesterday?                            | 2026-05-19..2026-05-20
    Yesterday's decisions                                | 2026-05-19..2026-05-20
    what did I eat the day before yesterday              | 2026-05-18..2026-05-19
    what did she tell me last night?                     | 2026-05-19T12:00..2026-05-20T12:00
    the call of this morning                             | 2026-05-20..2026-05-21
    what happened this week                              | 2026-05-18..2026-05-25
    what happened last week?                             | 2026-05-11..2026-05-18
    LAST WEEK, what broke?                               | 2026-05-11..2026-05-18
    the week before last                                 | 2026-05-04..2026-05-11
    plans of this month                                  | 2026-05-01..2026-06-01
    what did we ship last month                          | 2026-04-01..2026-05-01
    the month before last                                | 2026-03-01..2026-04-01
    goals this year                                      | 2026-01-01..2027-01-01
    trips last year                                      | 2025-01-01..2026-01-01
    what did we learn this quarter?                      | 2026-04-01..2026-07-01
    revenue last quarter                                 | 2026-01-01..2026-04-01
    where were we last weekend                           | 2026-05-16..2026-05-18
    what did we do over the weekend?                     | 2026-05-16..2026-05-18
    earlier today                                        | 2026-05-20..2026-05-20T15:30
    what did I learn earlier this month                  | 2026-05-01..2026-05-20T15:30
    notes from early this year                           | 2026-01-01..2026-05-01
    what happened late last year                         | 2025-09-01..2026-01-01
    2 days ago                                           | 2026-05-18..2026-05-19
    what did I say twelve days ago                       | 2026-05-08..2026-05-09
    twenty-one days ago                                  | 2026-04-29..2026-04-30
    a week ago                                           | 2026-05-10..2026-05-17
    What did we do three weeks ago?                      | 2026-04-26..2026-05-03
    a month ago                                          | 2026-04-05..2026-05-06
    six months ago                                       | 2025-11-05..2025-12-06
    two years ago                                        | 2023-11-20..2024-11-19
    half a year ago                                      | 2025-11-05..2025-12-06
    3 hours ago                                          | 2026-05-20T12:00..2026-05-20T13:00
    a couple of weeks ago                                | 2026-04-29..2026-05-14
    a few days ago                                       | 2026-05-14..2026-05-19
    several months ago                                   | 2025-08-20..2026-02-21
    more than two months ago                             | ..2026-03-20
    the past 3 days                                      | 2026-05-17T15:30..2026-05-20T15:30
    in the last 10 days                                  | 2026-05-10T15:30..2026-05-20T15:30
    last 10 days                                         | 2026-05-10T15:30..2026-05-20T15:30
    what changed in the past week?                       | 2026-05-13T15:30..2026-05-20T15:30
    over the past month                                  | 2026-04-20T15:30..2026-05-20T15:30
    within the past year                                 | 2025-05-20T15:30..2026-05-20T15:30
    over the past few months                             | 2025-11-20T15:30..2026-05-20T15:30
    during the last couple of weeks                      | 2026-04-29T15:30..2026-05-20T15:30
    the last 24 hours                                    | 2026-05-19T15:30..2026-05-20T15:30
    what was decided in March?                           | 2026-03-01..2026-04-01
    what was decided in may                              | 2026-05-01..2026-06-01
    what was decided in November?                        | 2025-11-01..2025-12-01
    in Sept 2025 we met                                  | 2025-09-01..2025-10-01
    last March                                           | 2026-03-01..2026-04-01
    last June                                            | 2025-06-01..2025-07-01
    March last year                                      | 2025-03-01..2025-04-01
    March 2024                                           | 2024-03-01..2024-04-01
    March of 2024                                        | 2024-03-01..2024-04-01
    the talk of March 5                                  | 2026-03-05..2026-03-06
    5 March 2026                                         | 2026-03-05..2026-03-06
    March 5th, 2026                                      | 2026-03-05..2026-03-06
    on the 5th of March                                  | 2026-03-05..2026-03-06
    Mar. 5, 2026                                         | 2026-03-05..2026-03-06
    on May 5 with Bob                                    | 2026-05-05..2026-05-06
    what happened on Dec 24?                             | 2025-12-24..2025-12-25
    February 29, 2024                                    | 2024-02-29..2024-03-01
    on 2026-02-03 we met                                 | 2026-02-03..2026-02-04
    2026-03                                              | 2026-03-01..2026-04-01
    2026/03/05                                           | 2026-03-05..2026-03-06
    the log of 2026-03-05T10:15:00Z                      | 2026-03-05..2026-03-06
    05/03/2026                                           | 2026-03-05..2026-03-06
    03/15/2026                                           | 2026-03-15..2026-03-16
    05.03.2026                                           | 2026-03-05..2026-03-06
    where did I live in 2023?                            | 2023-01-01..2024-01-01
    the trips of 2024                                    | 2024-01-01..2025-01-01
    early 2024                                           | 2024-01-01..2024-05-01
    mid-2024                                             | 2024-05-01..2024-09-01
    late March 2026                                      | 2026-03-21..2026-04-01
    at the end of 2025                                   | 2025-09-01..2026-01-01
    the first half of 2025                               | 2025-01-01..2025-07-01
    the first week of May                                | 2026-05-01..2026-05-08
    Q3 2025                                              | 2025-07-01..2025-10-01
    what did we ship in Q1?                              | 2026-01-01..2026-04-01
    the third quarter of 2025                            | 2025-07-01..2025-10-01
    in Q4                                                | 2025-10-01..2026-01-01
    last summer                                          | 2025-06-01..2025-09-01
    in the spring of 2025                                | 2025-03-01..2025-06-01
    what did we plant in spring?                         | 2026-03-01..2026-06-01
    last winter                                          | 2025-12-01..2026-03-01
    autumn 2024                                          | 2024-09-01..2024-12-01
    from 3 to 9 May                                      | 2026-05-03..2026-05-10
    3-9 May 2026                                         | 2026-05-03..2026-05-10
    May 3 to 9                                           | 2026-05-03..2026-05-10
    between March and June 2024                          | 2024-03-01..2024-07-01
    between 3 March and 5 April                          | 2026-03-03..2026-04-06
    from November to February                            | 2025-11-01..2026-03-01
    2021-2023                                            | 2021-01-01..2024-01-01
    between 2021 and 2023                                | 2021-01-01..2024-01-01
    from 2026-03-01 to 2026-03-15                        | 2026-03-01..2026-03-16
    from last March through yesterday                    | 2026-03-01..2026-05-20
    what did we say on Monday?                           | 2026-05-18..2026-05-19
    what was served on Wednesday                         | 2026-05-13..2026-05-14
    last Friday                                          | 2026-05-15..2026-05-16
    since Tuesday                                        | 2026-05-19..
    before May 3, 2026                                   | ..2026-05-03
    prior to 2024                                        | ..2024-01-01
    after March                                          | 2026-04-01..
    after 3 May 2026                                     | 2026-05-04..
    since March 2026                                     | 2026-03-01..
    since 2024                                           | 2024-01-01..
    since last week                                      | 2026-05-11..
    until June                                           | ..2025-07-01
    until 3 May                                          | ..2026-05-04
    by the end of 2024                                   | ..2025-01-01
    before the end of 2024                               | ..2025-01-01
    since the beginning of the year                      | 2026-01-01..
    starting on April 5, 2026                            | 2026-04-05..
    before yesterday                                     | ..2026-05-19
    what did I say about the 2024-01-05 outage yesterday | 2026-05-19..2026-05-20
    what did we do before lunch yesterday                | 2026-05-19..2026-05-20
    今天我说了什么                                       | 2026-05-20..2026-05-21
    昨天晚上聊了什么                                     | 2026-05-19..2026-05-20
    昨晚说了什么                                         | 2026-05-19T12:00..2026-05-20T12:00
    前天做了什么                                         | 2026-05-18..2026-05-19
    大前天做了什么                                       | 2026-05-17..2026-05-18
    十二天前                                             | 2026-05-08..2026-05-09
    二十天前                                             | 2026-04-30..2026-05-01
    3天前的会议                                          | 2026-05-17..2026-05-18
    两周前                                               | 2026-05-03..2026-05-10
    三个星期以前                                         | 2026-04-26..2026-05-03
    三个月前                                             | 2026-02-05..2026-03-08
    两年前                                               | 2023-11-20..2024-11-19
    半年前                                               | 2025-11-05..2025-12-06
    几天前                                               | 2026-05-14..2026-05-19
    过去三天                                             | 2026-05-17T15:30..2026-05-20T15:30
    最近三个月的进展                                     | 2026-02-20T15:30..2026-05-20T15:30
    近一年                                               | 2025-05-20T15:30..2026-05-20T15:30
    最近几天                                             | 2026-05-14T15:30..2026-05-20T15:30
    上周我们讨论了什么？                                 | 2026-05-11..2026-05-18
    上上周                                               | 2026-05-04..2026-05-11
    上个星期                                             | 2026-05-11..2026-05-18
    这周                                                 | 2026-05-18..2026-05-25
    上周三的会议                                         | 2026-05-13..2026-05-14
    上周末去了哪里                                       | 2026-05-16..2026-05-18
    周一我们聊了什么                                     | 2026-05-18..2026-05-19
    本月的计划                                           | 2026-05-01..2026-06-01
    上个月                                               | 2026-04-01..2026-05-01
    上上个月                                             | 2026-03-01..2026-04-01
    今年                                                 | 2026-01-01..2027-01-01
    去年                                                 | 2025-01-01..2026-01-01
    前年                                                 | 2024-01-01..2025-01-01
    去年三月                                             | 2025-03-01..2025-04-01
    去年3月5日                                           | 2025-03-05..2025-03-06
    今年春天                                             | 2026-03-01..2026-06-01
    去年夏天去了哪里                                     | 2025-06-01..2025-09-01
    去年年底                                             | 2025-09-01..2026-01-01
    今年年初                                             | 2026-01-01..2026-05-01
    上个季度                                             | 2026-01-01..2026-04-01
    第三季度                                             | 2025-07-01..2025-10-01
    2025年第三季度                                       | 2025-07-01..2025-10-01
    2025年上半年                                         | 2025-01-01..2025-07-01
    2023年                                               | 2023-01-01..2024-01-01
    二〇二三年                                           | 2023-01-01..2024-01-01
    2025年12月的计划                                     | 2025-12-01..2026-01-01
    三月份                                               | 2026-03-01..2026-04-01
    十二月二十五日                                       | 2025-12-25..2025-12-26
    三月初                                               | 2026-03-01..2026-03-11
    ２０２６年３月５日                                   | 2026-03-05..2026-03-06
    五月三日到九日                                       | 2026-05-03..2026-05-10
    从三月到五月                                         | 2026-03-01..2026-06-01
    2021年到2023年                                       | 2021-01-01..2024-01-01
    2021到2023年                                         | 2021-01-01..2024-01-01
    3月5日之前                                           | ..2026-03-05
    三月以前的决定                                       | ..2026-03-01
    三月之后                                             | 2026-04-01..
    自从去年以来                                         | 2025-01-01..
    从上周起                                             | 2026-05-11..
    截至2024年底                                         | ..2025-01-01
    Who called me the night of March 12?                 | 2026-03-12..2026-03-13
    Show everything I noted four weeks ago               | 2026-04-19..2026-04-26
    What was our position at the start of April?         | 2026-04-01..2026-04-11
    in the summer of 2024 we went sailing, where?        | 2024-06-01..2024-09-01
    things I learned in the previous month               | 2026-04-01..2026-05-01
    what books did I mention during 2025?                | 2025-01-01..2026-01-01
    Bugs reported between 10 and 14 April 2026           | 2026-04-10..2026-04-15
    What did Tom say on Thursday?                        | 2026-05-14..2026-05-15
    decisions since the 1st of May                       | 2026-05-01..
    purchases before 2025                                | ..2025-01-01
    what came up in the last five meetings this week     | 2026-05-18..2026-05-25
    12 April 2026 standup                                | 2026-04-12..2026-04-13
    what did we spend in the fourth quarter of 2024      | 2024-10-01..2025-01-01
    How did I feel about a year and a half ago?          | 2024-11-05..2024-12-06
    meals of the last two weeks                          | 2026-05-06T15:30..2026-05-20T15:30
    上个月底我们决定了什么                               | 2026-04-21..2026-05-01
    这几天我说过什么                                     | 2026-05-14T15:30..2026-05-20T15:30
    2024年春天的旅行                                     | 2024-03-01..2024-06-01
    四月二十号到三十号的开销                             | 2026-04-20..2026-05-01
    前两周发生的事                                       | 2026-05-06T15:30..2026-05-20T15:30
    上星期五谁请假了                                     | 2026-05-15..2026-05-16
    一个半月以前                                         | 2026-04-02..2026-04-09
    半个月前                                             | 2026-05-02..2026-05-09
    过去半个月                                           | 2026-05-05T15:30..2026-05-20T15:30
    the May 12 interview panel                           | 2026-05-12..2026-05-13
    from March until now                                 | 2026-03-01..
    incidents in H1 2025          | 2025-01-01..2025-07-01
    up to and including April 2025 | ..2025-05-01
    三到五月的支出                       | 2026-03-01..2026-06-01
    4月初聊过的旅行                      | 2026-04-01..2026-04-11
    2024年底之前买的东西                  | ..2025-01-01
    上个月15号开了什么会                   | 2026-04-15..2026-04-16
    emails sent on the 12th       | 2026-05-12..2026-05-13
"""

# Numbers, names and words that are no time of any memory.
TIMELESS = """
    May I use the sauna?
    may 5 people join the call?
    What does April like to eat?
    a letter from May
    march on the capital
    iPhone 15
    port 2023
    version 2024.1
    which version 2024-1 bug did we hit?
    Windows 2022 servers
    in 2048 lines of code
    over 2000 users
    RFC 2026 and ISO 8601
    CVE-2024-3094
    1000-2000 requests
    ticket OPS-2024
    tea
    a second chance
    wait a second
    who reads the Sunday Times?
    what is my first name?
    what is her last name?
    Which first aid kit?
    first of all, who is Bob?
    the goal of my first sprint
    how do I write a first draft?
    API first design
    at the latest
    from now on
    the last chapter of the book
    last resort
    the direct current of the motor
    what is the current directory?
    my oldest sister
    who is my next of kin?
    what do I do on Mondays?
    who is on call on Friday?
    meeting next week
    what is planned for tomorrow?
    Spring Boot
    how do I configure it in Spring?
    what should I check before a deploy?
    what must I do before deploying?
    who looks after my cat?
    who was he named after?
    after all
    after-sales service
    since it is slow, which cache do we use?
    never before
    5/6 of the cake
    the 5th floor
    3.5.2026.1
    10.0.0.7
    on 2026-02-30
    9999-12-31
    0000-00
    2026-13
    31/31/2026
    in 2095
    by the end of 2030
    until tomorrow
    9999年12月
    13月45日
    第一名是谁
    第一章讲了什么
    最近的地铁站在哪里
    离我最近的医院
    最早的航班是几点
    以后都用中文回答
    以前端为主
    部署之前要检查什么
    他是三年级的学生
    十年经验
    五月天的歌
    一个月的费用
    三天后的会议
    下周的会议
    明天去哪里
    周末喜欢做什么
    两周的假期
    前端和后端
    Is Augustus a good name?
    what does the May Company sell?
    order 2025 screws
    my first language
    which wine goes with dinner after 8?
    Who won the first prize?
    how long is the second half of a match?
    set the timeout to 30 days
    最近一家银行的地址是什么
    第一行代码是什么
    会议之前需要准备什么
    How many days after I submitted my letter did Greg answer?
    April and June like tea
    the the the
    the H1 of the page
    what is the March hare?
    一年有多少天
"""

ORDERS = """
    the latest plan                          | latest
    the most recent budget                   | latest
    what did we most recently agree on?      | latest
    the newest version of the logo           | latest
    What is my current address?              | latest
    which one is currently faster            | latest
    where do I live now?                     | latest
    what am I working on at the moment       | latest
    what have I been reading lately          | latest
    when did I last see Bob?                 | latest
    the last time we met                     | latest
    最新的方案                               | latest
    最近在做什么                             | latest
    我目前住在哪里                           | latest
    现在用什么数据库                         | latest
    上次见面是什么时候                       | latest
    which piece did the choir rehearse first | first
    when did I first meet Bob?               | first
    the first time we met                    | first
    our first idea for the name              | first
    what did we originally want?             | first
    the original budget                      | first
    my earliest memory                       | first
    what did we use initially                | first
    最早的方案                               | first
    最初的想法                               | first
    第一次见面                               | first
    一开始用什么                             | first
    who is our newest customer?              | latest
    what was decided last time?              | latest
    最后一次体检是什么时候                   | latest
    what was the first thing I asked you?    | first
"""

EVENTS = """
    what did we fear before the launch?                | before | launch
    What did I buy after moving to Berlin?             | after  | moving to berlin
    what happened before we moved to Berlin            | before | moved to berlin
    what has changed since the migration?              | after  | migration
    What did I cook after my birthday, roughly?        | after  | birthday
    notes from before the wedding                      | before | wedding
    prior to the outage, who was on call?              | before | outage
    until the merger, which bank did we use?           | before | merger
    what did we decide before the launch about pricing | before | launch
    发布之前我们担心什么                               | before | 发布
    我搬家以后买了什么                                 | after  | 搬家
    在上线之后发生了什么                               | after  | 上线
    发布前讨论了什么                                   | before | 发布
    自从迁移以来有什么变化                             | after  | 迁移
    婚礼之前谁来过？                                   | before | 婚礼
    what did the team think after the reorganisation?  | after  | reorganisation
    离职以前我在哪个组                                 | before | 离职
    which tools did we use before switching to Linux?  | before | switching to linux
"""


def rows(table: str) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]


def moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


def read(query: str, now: datetime = NOW) -> str | None:
    """The window of a query as the tables spell it."""
    window = intent(query, now).window
    if window is None:
        return None
    spelled = (each.strftime("%Y-%m-%dT%H:%M").removesuffix("T00:00") if each else "" for each in window)
    return "..".join(spelled)


@pytest.mark.parametrize(("query", "window"), rows(WINDOWS))
def test_windows(query: str, window: str) -> None:
    assert read(query) == window


@pytest.mark.parametrize("query", [query for (query,) in rows(TIMELESS)])
def test_what_is_no_time_of_a_memory_means_nothing(query: str) -> None:
    assert intent(query, NOW) == Intent()


@pytest.mark.parametrize(("query", "order"), rows(ORDERS))
def test_ends_of_time(query: str, order: str) -> None:
    assert intent(query, NOW) == Intent(order=order)  # type: ignore[arg-type]


@pytest.mark.parametrize(("query", "side", "event"), rows(EVENTS))
def test_events(query: str, side: str, event: str) -> None:
    assert intent(query, NOW).event == (side, event)
    assert intent(query, NOW).window is None


@pytest.mark.parametrize(
    ("query", "now", "window"),
    [
        ("yesterday", "2026-01-01T00:00:00+00:00", "2025-12-31..2026-01-01"),
        ("yesterday", "2026-05-20T01:00:00+08:00", "2026-05-18..2026-05-19"),  # still the 19th in UTC
        ("today", "2026-05-19T22:00:00-05:00", "2026-05-20..2026-05-21"),  # already the 20th in UTC
        ("last week", "2026-01-01T12:00:00+00:00", "2025-12-22..2025-12-29"),
        ("last month", "2026-01-31T12:00:00+00:00", "2025-12-01..2026-01-01"),
        ("this month", "2024-02-29T12:00:00+00:00", "2024-02-01..2024-03-01"),
        ("this month", "2026-12-31T23:59:00+00:00", "2026-12-01..2027-01-01"),
        ("a month ago", "2024-03-31T00:00:00+00:00", "2024-02-14..2024-03-16"),  # of 29 February
        ("a year ago", "2024-02-29T00:00:00+00:00", "2022-08-30..2023-08-30"),  # of 28 February
        ("in the past month", "2024-03-31T06:00:00+00:00", "2024-02-29T06:00..2024-03-31T06:00"),
        ("on February 29", "2026-05-20T00:00:00+00:00", "2024-02-29..2024-03-01"),
        ("this week", "2026-05-24T23:00:00+00:00", "2026-05-18..2026-05-25"),  # a Sunday
        ("last weekend", "2026-05-24T12:00:00+00:00", "2026-05-16..2026-05-18"),  # on a weekend
        ("over the weekend", "2026-05-25T12:00:00+00:00", "2026-05-23..2026-05-25"),
        ("last Monday", "2026-05-25T12:00:00+00:00", "2026-05-18..2026-05-19"),  # on a Monday
        ("last quarter", "2026-02-10T00:00:00+00:00", "2025-10-01..2026-01-01"),
        ("last winter", "2026-01-15T00:00:00+00:00", "2024-12-01..2025-03-01"),
        ("this winter", "2026-01-15T00:00:00+00:00", "2025-12-01..2026-03-01"),
        ("two days ago", "2026-03-30T00:30:00+00:00", "2026-03-28..2026-03-29"),  # clocks changed that night
        ("the last 24 hours", "2026-03-29T12:00:00+00:00", "2026-03-28T12:00..2026-03-29T12:00"),
        ("上个月", "2026-03-31T12:00:00+00:00", "2026-02-01..2026-03-01"),
        ("in December", "2026-12-01T00:00:00+00:00", "2026-12-01..2027-01-01"),  # it has just begun
        ("in December", "2026-11-30T23:59:00+00:00", "2025-12-01..2026-01-01"),
    ],
)
def test_windows_hang_on_the_day_in_utc(query: str, now: str, window: str) -> None:
    assert read(query, datetime.fromisoformat(now)) == window


def test_a_window_and_an_end_of_time_go_together() -> None:
    found = intent("the latest plan of last month", NOW)
    assert (found.order, found.window is not None) == ("latest", True)


@pytest.mark.parametrize(
    ("query", "alone"),
    [
        ("What happened last week?", True),
        ("What did I do yesterday?", True),
        ("Who did I meet last year?", True),
        ("What did we talk about between March and June 2024?", True),
        ("What did I do on the 5th of March?", True),
        ("what did I work on in the past few days?", True),
        ("What have I done since Tuesday?", True),
        ("上周我做了什么？", True),
        ("昨天发生了什么？", True),
        ("前天我们聊了什么？", True),
        ("去年三月我做过什么", True),
        ("What is the latest thing I did?", True),
        ("What happened before the launch?", True),
        ("发布之前发生了什么？", True),
        ("What did we decide on pricing last week?", False),
        ("Who reads the Sunday Times?", False),
        ("上周的发布出了什么问题？", False),
        ("the latest budget", False),
        ("What did I do with the boat in 2023?", False),
    ],
)
def test_whether_time_is_all_that_is_asked_for(query: str, alone: bool) -> None:
    assert asks_for_time_alone(query) is alone


# Hypothesis against calendar arithmetic of the simplest kind: one day after the other.
NOWS = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
ZONES = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def midnight(at: datetime) -> datetime:
    return datetime(at.year, at.month, at.day, tzinfo=UTC)


def counted_back(at: datetime, months: int) -> datetime:
    """So many months earlier, on the same day or on the last one of a shorter month."""
    year, month = at.year, at.month
    for _ in range(months):
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))


@given(NOWS, ZONES, st.integers(1, 99), st.sampled_from(["days", "weeks", "months", "years"]))
def test_how_long_ago_is_counted_on_the_calendar(
    now: datetime, zone: timezone, count: int, unit: str
) -> None:
    today = midnight(now)
    middle, before, behind = {
        "days": (today - timedelta(days=count), 0, 1),
        "weeks": (today - timedelta(days=7 * count), 3, 4),
        "months": (counted_back(today, count), 15, 16),
        "years": (counted_back(today, 12 * count), 182, 183),
    }[unit]
    window = (middle - timedelta(days=before), middle + timedelta(days=behind))
    for query in (f"{count} {unit} ago", f"{count}{CHINESE_UNITS[unit]}前"):
        assert intent(query, now.astimezone(zone)).window == window
    if unit in ("days", "weeks"):
        rolling = (now - timedelta(days=count * (7 if unit == "weeks" else 1)), now)
    else:
        rolling = (counted_back(now, count * (12 if unit == "years" else 1)), now)
    assert intent(f"the last {count} {unit}", now.astimezone(zone)).window == rolling


CHINESE_UNITS = {"days": "天", "weeks": "周", "months": "个月", "years": "年"}


@given(NOWS, st.sampled_from(["day", "week", "month", "quarter", "year"]))
def test_this_and_last_are_neighbours_around_now(now: datetime, unit: str) -> None:
    names = ("today", "yesterday") if unit == "day" else (f"this {unit}", f"last {unit}")
    this, last = (intent(name, now).window for name in names)
    assert this and last and this[0] and this[1] and last[0]
    assert this[0] <= now < this[1] and last[1] == this[0]
    starts = {
        "day": lambda at: True,
        "week": lambda at: at.weekday() == 0,
        "month": lambda at: at.day == 1,
        "quarter": lambda at: at.day == 1 and at.month in (1, 4, 7, 10),
        "year": lambda at: (at.month, at.day) == (1, 1),
    }[unit]
    walked, end = last[0] + timedelta(days=1), this[1]
    while walked < end:  # no other start in between
        assert starts(walked) is (walked == this[0] or unit == "day")
        walked += timedelta(days=1)
    assert starts(last[0]) and starts(end)


@given(NOWS, st.integers(1, 12), st.integers(1, 31))
def test_a_day_without_a_year_is_the_latest_one_that_has_begun(
    now: datetime, month: int, number: int
) -> None:
    expected = None
    for year in range(now.year - 8, now.year + 1):
        if number <= calendar.monthrange(year, month)[1] and day(year, month, number) <= now:
            expected = (day(year, month, number), day(year, month, number) + timedelta(days=1))
    for query in (f"on {calendar.month_name[month]} {number}", f"{month}月{number}日"):
        assert intent(query, now).window == expected


@given(st.integers(1, 99))
def test_chinese_numerals_count(count: int) -> None:
    digits = "零一二三四五六七八九"
    tens, ones = divmod(count, 10)
    spelled = (digits[tens] if tens > 1 else "") + ("十" if tens else "") + (digits[ones] if ones else "")
    assert read(f"{spelled}天前") == read(f"{count} days ago")


@given(
    st.from_regex(
        r"(in|before|after|the past|last|从) [0-9]{1,4}[-年 /](days?|[0-9]{1,2}[-月/][0-9]{1,4}日?)"
        r" ?(ago|前|to 9|起)?"
    )
)
def test_any_date_is_read_or_not(query: str) -> None:
    window = intent(query, NOW).window
    assert window is None or None in window or window[0] < window[1]  # type: ignore[operator]
