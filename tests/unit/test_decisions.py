"""What a new memory is to a known one. Both errors matter: what is replaced wrongly is lost to retrieval."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.decisions import Action, Statement, decide, telling_keys
from memoria.search_text import search_text

THEN = datetime(2026, 1, 1, tzinfo=UTC)

UPDATES = [
    ("The API rate limit is 100 requests per minute", "The API rate limit is 200 requests per minute"),
    ("The API rate limit is 100 requests per minute", "The API rate limit is now 200 requests per minute"),
    ("The user lives in Berlin", "The user lives in Munich"),
    ("The user lives in Berlin", "The user moved to Munich"),
    ("I live in Paris", "I live in Rome"),
    ("I live in Paris", "I moved to Rome"),
    ("I work at Google", "I now work at Meta"),
    ("We start at 9:00", "We start at 9:30"),
    ("我住在北京", "我住在上海"),
    ("Maria works at Acme", "Maria works at Globex"),
    ("The project's database is PostgreSQL 15", "The project's database is MySQL 8"),
    ("The database of the project is PostgreSQL", "The database of the project is now MySQL"),
    ("The deadline is March 3", "The deadline is March 10"),
    ("The deadline is March 3", "The deadline was moved to March 10"),
    ("The API timeout is 30 seconds", "The API timeout was increased to 60 seconds"),
    ("User's favorite color is blue", "User's favorite color is green"),
    ("The service listens on port 7001", "The service listens on port 8001"),
    ("Python version: 3.10", "Python version: 3.12"),
    ("The staging cluster is called bluebird", "The staging cluster is called kingfisher"),
    ("The user likes mornings", "The user no longer likes mornings"),
    ("The harbour office opens at nine", "The harbour office opens at eight"),
    ("Standup is at 10:15", "Standup is at 9:45"),
    ("Billing runs on the blue cluster", "Billing now runs on the green cluster"),
    ("Project status: green", "Project status: delayed until May"),
    ("The trip costs 500 dollars", "The trip costs 700 euros"),
    ("The budget is 10k", "The budget has been increased to 15k"),
    ("The build takes 10 minutes", "The build takes 40 seconds now"),
    ("Max connections = 100", "Max connections = 250"),
    ("API key rotation: every 30 days", "API key rotation: every 90 days"),
    ("The house has 3 rooms", "The house has 4 rooms"),
    ("The user lives in Berlin", "The user lives in Munich since May"),
    ("用户住在北京", "用户住在上海"),
    ("用户住在北京", "用户搬到上海"),
    ("数据库版本是 5.7", "数据库版本改为 8.0"),
    ("API 的超时为 30 秒", "API 的超时为 60 秒"),
    ("默认语言是中文", "默认语言改为英文"),
    ("项目的负责人是张伟", "项目的负责人是李娜"),
    ("用户喜欢咖啡", "用户不再喜欢咖啡"),
]
CONFLICTS = [
    ("Service X runs in eu-west-1", "Service X runs in us-east-1"),
    ("The app runs on Linux", "The app runs on Windows"),
    ("My daughter is called Anna", "My daughter is called Berta"),
    ("客户位于北京", "客户位于上海"),
    ("The user likes mornings", "The user does not like mornings"),
    ("Deploys are allowed on Fridays", "Deploys are not allowed on Fridays"),
    ("The cache is enabled", "The cache is not enabled"),
    ("The server supports TLS 1.3", "The server doesn't support TLS 1.3"),
    ("用户喜欢咖啡", "用户不喜欢咖啡"),
]
APART = [
    ("Service alpha listens on port 7001", "Service beta listens on port 7002"),
    ("Invoice 12 was paid", "Invoice 13 was paid"),
    ("Step 3 is to install Docker", "Step 4 is to run the tests"),
    ("E4012 means disk full", "E4013 means out of memory"),
    ("The user likes tea", "The user likes coffee"),
    ("The user is a developer", "The user is vegetarian"),
    ("The user speaks German", "The user speaks French"),
    ("Alice owns auth-service", "Bob owns token-service"),
    ("Project Alpha uses React", "Project Beta uses Vue"),
    ("Project Alpha uses React", "Project Alpha uses Go"),
    ("The user has a dog", "The user has a cat"),
    ("Maria visited Rome", "Maria visited Paris"),
    ("The meeting with Bob is on Monday", "The meeting with Alice is on Tuesday"),
    ("The build failed on Monday", "The build failed on Tuesday"),
    ("The deadline of project A is March 3", "The deadline of project B is March 10"),
    ("The capital of France is Paris", "The capital of Italy is Rome"),
    ("tea number 1", "tea number 2"),
    ("Redis is slow", "Redis was restarted"),
    ("The API limit is 100", "The upload limit is 200"),
    ("Use ruff for linting", "Use mypy for types"),
    ("The user was born in 1980", "The user graduated in 2002"),
    ("Maria's brother lives in Graz", "Maria's sister lives in Linz"),
    ("Port 80 is open", "Port 443 is open"),
    ("The user lives in Berlin", "The user lives in Berlin with two cats"),
    ("Alpha costs 10 euros", "Beta costs 12 euros"),
    ("Is the deadline March 3?", "The deadline is March 10"),
    ("user: my deadline is March 3", "user: my deadline is March 10"),
    ("Freezer set point is 18 degrees", "Freezer set point is -18 degrees!!"),
    ("Bob reports to Ann", "Ann no longer reports to Bob"),
    ("Tom likes Jerry", "Jerry no longer likes Tom"),
    ("不错的餐厅", "错的餐厅"),
    ("Ann is a doctor", "Ann is not only a doctor"),
    ("The timeout was 30 seconds", "The timeout was 60 seconds"),
    ("行为5", "行为6"),
    ("The meeting is on Monday", "The meeting is in room 4"),
    ("The price is high", "The price is $5"),
    ("Anna's phone is 555-1234 at home", "Anna's phone is 555-9876 at work"),
    ("The database is PostgreSQL", "The database is read-only during backups"),
    ("The owner is Tim", "The owner is on vacation"),
    ("The port is 8080", "The port is blocked by the firewall"),
    ("The default branch is main", "The default branch is protected"),
    ("The framework is Django", "The framework is fast"),
    ("The deadline is Friday", "The deadline is tight"),
    ("The API timeout is 30 seconds for reads", "The API timeout is 60 seconds for writes"),
    ("The user lives in Berlin", "The user lives in a small flat with two cats"),
    ("The user works at Google", "The user works at night"),
    ("The server runs on Linux", "The server runs on port 80"),
    ("Service X runs on Kubernetes", "Service X runs on port 9000"),
    ("The app is called Bluebird", "The app is called by the scheduler hourly"),
    ("Deploys start at 9am", "Deploys start at the CI stage"),
    ("The event starts on Monday", "The event starts at 9am"),
    ("The report takes 3 hours", "The report takes input from S3"),
    ("The library takes 2 arguments", "The library takes 5 MB"),
    ("Carol reports to Dave on projects", "Carol reports to Erin on budgets"),
    ("Gate opens at 8 in summer", "Gate opens at 9 in winter"),
    ("A friend's name is Tom", "A friend's name is Ben"),
    ("Another port is 8081", "Another port is 8082"),
    ("One of my favorite movies is Alien", "One of my favorite movies is Heat"),
    ("The lead is Ann", "The lead was Bob"),
    ("The owner is Tim", "The owner is unknown"),
    ("Note: 3 eggs", "Note: 5 eggs"),
    ("I take 2 pills in the morning", "I take 1 pill at night"),
    ("She lives in Paris", "She lives in Rome"),
    ("I live in Paris", "I moved to the data team"),
    ("The port of the gateway is 8080", "The port of the gateway is ,for prod"),
    ("数据库是MySQL", "数据库是公司最大的"),
    ("用户喜欢茶", "用户喜欢咖啡"),
    ("用户会说德语", "用户会说法语"),
    ("张伟负责前端", "李娜负责后端"),
]


def statement(text, *, memory_id="new", days=1, **fields):
    return Statement(
        memory_id,
        text,
        fields.pop("memory_type", "semantic"),
        fields.pop("trust_tier", "T1"),
        THEN + timedelta(days=days),
        **fields,
    )


def against(old, new, known=None, **fields):
    return decide(statement(new, **fields), [statement(old, memory_id="old", days=0, **(known or {}))])


EXPECTED = {Action.UPDATE: UPDATES, Action.CONFLICT: CONFLICTS, Action.NEW: APART}


@pytest.mark.parametrize(
    ("old", "new", "action"), [(*pair, action) for action, pairs in EXPECTED.items() for pair in pairs]
)
def test_pairs(old, new, action):
    decision = against(old, new)
    assert decision.action is action
    assert decision.memory_id == (None if action is Action.NEW else "old")


@pytest.mark.parametrize(("old", "new"), UPDATES)
def test_a_lower_tier_an_earlier_time_or_another_session_never_replaces(old, new):
    assert against(old, new, trust_tier="T3").action is Action.CONFLICT
    assert against(old, new, trust_tier="T3", known={"trust_tier": "T4"}).action is Action.UPDATE
    assert (
        decide(statement(new, days=-5), [statement(old, memory_id="old", days=0)]).action is Action.CONFLICT
    )
    assert against(old, new, session_id="s2", known={"session_id": "s1"}).action is Action.NEW
    assert against(old, new, session_id="s2").action is Action.CONFLICT
    assert against(old, new, session_id="s2", known={"session_id": "s2"}).action is Action.UPDATE
    assert against(old, new, subject_id="maria").action is Action.NEW
    for kind in ("episodic", "working", "tool_result"):
        assert against(old, new, memory_type=kind, known={"memory_type": kind}).action is Action.NEW


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("The user's favourite language is C", "The user's favourite language is C++"),
        ("Mia's grade is A", "Mia's grade is A-"),
        ("The fee is $5", "The fee is €5"),
        ("Alert when load > 5", "Alert when load < 5"),
        ("Use x == y in the check", "Use x != y in the check"),
        ("温度是5度", "温度是-5度"),
        ("The path is /Data", "The path is /data"),
        ("The cron schedule is 0 5 * * *", "The cron schedule is 0 * 5 * *"),
        ("The mood is 😀", "The mood is 😡"),
    ],
)
def test_signs_tell_apart(old, new):
    assert against(old, new).action is not Action.DUPLICATE


def test_the_same_words_are_the_same_memory():
    assert against("The user likes tea.", "the user likes  tea!").action is Action.DUPLICATE
    assert against("The user likes tea", "The user likes green tea").action is Action.NEW


def test_of_several_the_newest_is_replaced():
    old = [statement(f"The deadline is March {n}", memory_id=f"m{n}", days=n) for n in (1, 2, 3)]
    assert decide(statement("The deadline is April 1", days=9), old).memory_id == "m3"


@pytest.mark.parametrize(
    ("old", "new"), [*UPDATES, *CONFLICTS, ("The user likes tea.", "the user likes  tea!")]
)
def test_what_has_to_be_compared_shares_a_key(old, new):
    assert set(telling_keys(statement(new))) & set(search_text(old).split())


@given(st.text(max_size=120), st.text(max_size=120))
def test_any_two_texts_are_decided_and_long_ones_are_never_replaced(one, other):
    decision = against(one, other)
    assert decision.action in Action
    assert against(one + " word" * 70, other).action in (Action.NEW, Action.DUPLICATE)


def test_the_same_words_with_other_values_masked_are_new():
    assert against("Owner: [email]", "owner: [email].").action is Action.DUPLICATE
    assert against("Owner: [email]", "owner: [email].", is_masking=True).action is Action.NEW
