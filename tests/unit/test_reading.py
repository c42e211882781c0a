"""What a closer look makes of a fact: one that answers a question, and one that only sounds as if it did."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.reading import SUPERSEDED, TURN, asked, factors

DAY = 86_400.0


def factor(question, text):
    return factors(asked(question), [text], [0.0], [0])[0]


@pytest.mark.parametrize(
    ("question", "answers", "sounds"),
    [
        ("Which services use Kafka?", "stock-api uses Kafka", "pricing-api does not use Kafka"),
        ("Which services use Kafka?", "stock-api uses Kafka", "The portal has never used Kafka"),
        ("哪些服务在用 gRPC？", "ledger 内部调用走 gRPC。", "portal 只用 REST，不支持 gRPC。"),
        ("影响登录的问题是什么？", "登录页面要等 8 秒。", "验证码也会超时，但不影响登录。"),
        ("What database do we use?", "We use Postgres 16", "We tried CockroachDB but gave up on it"),
        ("用的是什么缓存？", "缓存用 Redis。", "缓存曾经用 Memcached。"),
        (
            "What is Project Falcon written in?",
            "Project Falcon is written in Elixir",
            "Project Heron is written in Go",
        ),
        ("Which port does service beta use?", "service beta uses 7002", "service alpha uses 7001"),
        ("What does the Oslo team work on?", "The Oslo team works on maps", "The Lyon team works on routing"),
        ("前端组的张伟在做什么？", "前端组的张伟在做评测。", "后端组的张伟在做分库。"),
        ("When does Leo have lessons?", "Leo has lessons on Tuesdays", "Leo dislikes lessons"),
        ("Which services depend on auth?", "mail depends on auth", "The wiki works without auth"),
        (
            "Which services depend on auth-core?",
            "mail depends on auth-core",
            "auth-core depends on openssl",
        ),
        ("Who leads class 7b?", "Ms. Osei leads class 7b", "Ms. Harrow leads class 7a"),
        ("Where is crate QX-20?", "Crate QX-20 is in Genoa", "Crate QX-21 is in Oslo"),
        ("What does Ann Hill repair?", "Ann Hill repairs the organ", "Ann Mill repairs the clock"),
        ("What does Ann Hill repair?", "Hill repairs the organ", "Eve Hill repairs the bell"),
        ("Why is the hall dark?", "The hall is dark because of a loose screw", "The hall is dark again"),
        ("灯为什么闪？", "灯闪是因为螺丝松了。", "灯每天晚上闪。"),
        (
            "How do we send reports?",
            "We no longer send reports by fax but by mail",
            "We no longer send reports to the bank",
        ),
        ("Which tool do we use?", "We no longer use Ant, we use Make now", "We no longer use any tool"),
        ("我们用什么工具？", "我们不再用 Ant，现在用 Make。", "我们不再用 Ant。"),
        (
            "Which huts have a turbine?",
            "The Gleiwitz hut has a turbine",
            "The Zeppezau hut has no stream and so no turbine",
        ),
        (
            "Where do the nets hang?",
            "The nets hang in the barn",
            "Somebody said the nets might be in the attic",
        ),
        (
            "Do the nets hang in the barn?",
            "The nets hang in the barn",
            "Ina wondered whether the nets hang in the barn",
        ),
        ("票在哪里取？", "票在南门取。", "听说票在北门取。"),
        (
            "What is the shed heated with?",
            "The shed is heated with wood",
            "The shed we had before was heated with oil",
        ),
        ("Which shops take cards?", "The north shop takes cards", "The east shop plans to take cards"),
        ("哪些门店收现金？", "北店收现金。", "东店计划明年收现金。"),
        ("Are we still using Svelte?", "Svelte was dropped", "The wiki never used Svelte"),
    ],
)
def test_an_answer_keeps_more_than_what_only_sounds_like_one(question, answers, sounds):
    assert factor(question, answers) >= 1.0
    assert factor(question, sounds) < 1.0


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Does Leo like cilantro?", "Leo does not like cilantro"),
        ("Leo 喜欢香菜吗？", "Leo 不喜欢香菜。"),
        ("What does Leo not eat?", "Leo does not eat cilantro"),
        ("What should I avoid?", "Do not avoid the stairs"),
        ("What did we use before Postgres?", "We previously used Oracle before Postgres"),
        ("以前用的是什么数据库？", "以前用的数据库是 Oracle。"),
        ("What do I want of emails?", "I do not want emails at night"),
        ("What does the portal speak?", "The portal speaks REST, not SOAP"),
        ("What is slow?", "Not only the search is slow"),
        ("Is the deadline day 3?", "The deadline is day 5"),
        ("Which bus leaves after bus 3?", "Bus 4 leaves after it"),
        ("How do Ann Hill and Ann Mill get on?", "Ann Mill envies her"),
        ("Who heard that the nets might be in the attic?", "Somebody said the nets might be in the attic"),
        ("听说票在哪里取？", "听说票在北门取。"),
        ("How many seats are there?", "There are no more than forty seats"),
        ("What will the east shop do next?", "The east shop plans to take cards"),
        ("东店计划做什么？", "东店计划明年收现金。"),
        ("Did we ever use Svelte?", "The wiki never used Svelte"),
        ("What time is standup?", "Standup will be at 9:15 from now on"),
        ("Who gives the keynote?", "The keynote is going to be given by Ada Lovelace"),
        ("What does the theme change?", "The theme changes the colours and does not affect the filters"),
        ("Should we deploy now, on a Friday?", "Never deploy on Fridays"),
        ("Should I eat peanuts?", "I never eat peanuts because of an allergy"),
        ("我们现在还用 Redis 集群吗？", "我们从未使用过 Redis 集群"),
    ],
)
def test_denial_and_the_past_are_answers_where_they_are_asked_for(question, text):
    assert factor(question, text) == 1.0


def test_whether_something_still_holds_is_told_by_what_turned_it():
    question = asked("Are we still using Svelte?")
    texts = [
        "Svelte was adopted",
        "Svelte has a hydration bug",
        "We decided to abandon Svelte",
        "The wiki moved",
    ]
    found = factors(question, texts, [0.0, 30 * DAY, 60 * DAY, 90 * DAY], [0] * 4)
    assert found[2] == TURN
    assert found[0] < found[1] == found[3] == 1.0  # adopted before; a reason for the turn; after it


@pytest.mark.parametrize(
    "reason",
    [
        "Two clients cancelled over Svelte",
        "Svelte mislabelled the axes",
        "Svelte overheated the laptops",
        "Svelte 把日期和月份混淆，错了二十处",
        "Svelte 太慢，客户投诉",
    ],
)
def test_the_reason_for_a_turn_outlives_what_spoke_for_the_thing(reason):
    texts = ["Svelte was adopted", reason, "We went back from Svelte to plain pages"]
    found = factors(asked("Should we use Svelte now?"), texts, [0.0, DAY, 2 * DAY], [0] * 3)
    assert found == [SUPERSEDED, 1.0, TURN]


@pytest.mark.parametrize(
    "old", ["We run Svelte down in the cellar", "We use Svelte for the mobile pages too"]
)
def test_little_words_are_no_reason_for_a_turn(old):
    texts = [old, "We migrated from Svelte to plain pages in May"]
    assert factors(asked("Do we still use Svelte?"), texts, [0.0, DAY], [0, 0]) == [SUPERSEDED, TURN]


def test_without_a_turn_nothing_is_outdated():
    assert factors(
        asked("Are we still using Svelte?"), ["Svelte was adopted", "Svelte is fine"], [0.0, DAY], [0, 0]
    ) == [1, 1]


@pytest.mark.parametrize(
    ("question", "old", "other", "news"),
    [
        (
            "What is the greenhouse heated with?",
            "The greenhouse is heated with oil",
            "The greenhouse is watered at noon",
            "The greenhouse is no longer heated with oil but with wood",
        ),
        (
            "社团用什么发通知？",
            "社团用微信群发通知",
            "社团用场地要申请",
            "社团不再用微信群发通知，现在用邮件",
        ),
    ],
)
def test_a_later_fact_ends_what_it_says_is_no_longer_so(question, old, other, news):
    def read(ages, tiers, query=question):
        return factors(asked(query), [old, other, news], [-age * DAY for age in ages], tiers)[:2]

    assert read([9, 9, 1], [0, 0, 0]) == [SUPERSEDED, 1]
    assert read([9, 9, 1], [0, 0, 1]) == [1, 1]  # trusted less
    assert read([1, 9, 9], [0, 0, 0]) == [1, 1]  # said again since
    assert read([9, 9, 1], [0, 0, 0], f"{question} 以前 before") == [1, 1]


@pytest.mark.parametrize("question", ["", "?", "Svelte", "吗", "a b c", "What is it?"])
def test_little_is_read_out_of_little(question):
    assert factor(question, "An ordinary statement about the weather in spring") == 1.0


texts = st.text(alphabet=st.sampled_from("abc XYZ'’-_.,?!不没的组张伟前端 \n1"), max_size=60) | st.text(
    max_size=40
)


@given(texts, st.lists(st.tuples(texts, st.floats(0, 2e9)), max_size=6))
def test_any_text_gets_a_factor_within_bounds(question, facts):
    found = factors(asked(question), [text for text, _ in facts], [at for _, at in facts], [0] * len(facts))
    assert len(found) == len(facts)
    assert all(0.0 < each <= TURN for each in found)


@pytest.mark.parametrize("question", ["Which of them " + "not " * 2_000, "不" * 4_000, "team a" * 2_000])
def test_long_texts_are_read_in_time_that_grows_with_their_length(question):
    assert factor(question, question) <= TURN
