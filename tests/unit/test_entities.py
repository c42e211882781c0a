"""What the rules find in a text, and what they leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.entities import ENTITIES_PER_TEXT, NAME_LENGTH, entities


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("Patched CVE-2024-3094 in xz", "cve-2024-3094", "code"),
        ("Ticket OPS-1234 is closed", "ops-1234", "code"),
        ("db-1.internal:5432 is down", "db-1.internal:5432", "host"),
        ("The host 10.0.0.7 answers", "10.0.0.7", "host"),
        ("See https://docs.example.com/a.", "https://docs.example.com/a", "host"),
        ("The file is /etc/nginx/nginx.conf", "/etc/nginx/nginx.conf", "path"),
        ("D:\\data\\in.csv is read", "d:\\data\\in.csv", "path"),
        ("Write to Bob.Lee@example.org", "bob.lee@example.org", "email"),
        ("It ships on March 15, 2024", "2024-03-15", "time"),
        ("It ships on Mar 15", "03-15", "time"),
        ("上线时间是2024年3月15日", "2024-03-15", "time"),
        ("上线时间是3月15日", "03-15", "time"),
        ("We read “The Long Way”", "the long way", "project"),
        ("看了《三体》", "三体", "project"),
        ("Use k8s here", "kubernetes", "tech"),
        ("Use Postgres here", "postgresql", "tech"),
        ("他用Redis做缓存", "redis", "tech"),
        ("王小明负责支付团队", "王小明", "person"),
        ("王小明负责支付团队", "支付", "concept"),
        ("Ask @maria about it", "maria", "person"),
        ("acme/web-shop is private", "acme/web-shop", "repo"),
        ("set MAX_RETRY_COUNT to 3", "max_retry_count", "tech"),
        ("Call parseHeader twice", "parseheader", "tech"),
        ("Upgrade to v2.4.1", "2.4.1", "version"),
        ("Alice Johnson moved to Berlin", "alice johnson", "concept"),
        ("Alice Johnson moved to Berlin", "berlin", "concept"),
    ],
)
def test_things_and_their_types(text, name, kind):
    assert (name, kind) in {(each.name, each.kind) for each in entities(text)}


@pytest.mark.parametrize(
    "text",
    [
        "the user likes tea",
        "Is it ok to go now?",
        "It took 3 days and 20 percent",
        "We work on it every Monday",
        "",
    ],
)
def test_plain_words_name_nothing(text):
    assert entities(text) == []


def test_a_day_that_does_not_exist_is_no_date():
    assert not [each for each in entities("on 2024-02-31 and on 2023年13月40日") if each.kind == "time"]


def test_a_name_and_its_alias_are_one_thing():
    assert [each.name for each in entities("the k8s, that is kubernetes")] == ["kubernetes"]


@given(st.text())
def test_any_text_gives_few_distinct_names_that_fit(text):
    names = [each.name for each in entities(text * 3)]
    assert len(names) == len(set(names)) <= ENTITIES_PER_TEXT
    assert all(0 < len(name) <= NAME_LENGTH for name in names)
