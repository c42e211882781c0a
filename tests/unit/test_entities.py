"""What the rules find in a text, and what they leave alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.entities import ENTITIES_PER_TEXT, NAME_LENGTH, canonical, entities, possible_names

# A text, and all that it is about: type:name, separated by ";".
THINGS = """
    Patched CVE-2024-3094 in xz                       | code:cve-2024-3094
    Ticket OPS-1234 is closed                         | code:ops-1234
    JIRA-123 blocks the release                       | code:jira-123
    Caching follows RFC 9110                          | code:rfc 9110
    It is in RFC9110, too                             | code:rfc 9110
    We are audited for ISO 27001                      | code:iso 27001
    See issue #4521                                   | code:#4521
    PEP 8 is the rule                                 | code:pep 8
    db-1.internal:5432 is down                        | host:db-1.internal:5432
    The host 10.0.0.7 answers                         | host:10.0.0.7
    It listens on 192.168.1.20:8080                   | host:192.168.1.20:8080
    The router is at fe80::1                          | host:fe80::1
    See https://docs.example.com/a.                   | host:https://docs.example.com/a; host:docs.example.com
    The shop is at www.example.co.uk                  | host:www.example.co.uk
    The file is /etc/nginx/nginx.conf                 | path:/etc/nginx/nginx.conf
    My notes are in ~/.config/nvim                    | path:~/.config/nvim
    Run ./deploy.sh twice                             | path:./deploy.sh
    It is in src/app/main.py                          | path:src/app/main.py
    D:\\data\\in.csv is read                          | path:d:\\data\\in.csv
    日志在 /var/log/app.log 里                         | path:/var/log/app.log
    Write to Bob.Lee@example.org                      | email:bob.lee@example.org
    邮箱是 wang@example.cn                             | email:wang@example.cn
    It ships on March 15, 2024                        | time:2024-03-15
    It ships on Mar 15                                | time:03-15
    It ships on 15 March 2024                         | time:2024-03-15
    It ships on 2024-03-15                            | time:2024-03-15
    上线时间是2024年3月15日                            | time:2024-03-15
    上线时间是3月15日                                  | time:03-15
    We read “The Long Way”                            | project:the long way
    We watched "Spirited Away" again                  | project:spirited away
    看了《三体》                                       | project:三体
    我们在读「活着」                                   | project:活着
    Set `retry_limit` to 3                            | project:retry_limit
    Use k8s here                                      | tech:kubernetes
    Use Postgres here                                 | tech:postgresql
    We moved from mysql to mariadb                    | tech:mysql; tech:mariadb
    他用Redis做缓存                                    | tech:redis
    后端用 Django 和 celery                            | tech:django; tech:celery
    Ask @maria about it                               | person:maria
    让 @王小明 看一下                                  | person:王小明
    acme/web-shop is private                          | repo:acme/web-shop
    The github repo acme/webshop is private           | tech:github; repo:acme/webshop
    set MAX_RETRY_COUNT to 3                          | tech:max_retry_count
    Call parseHeader twice                            | tech:parseheader
    The user_id column is indexed                     | tech:user_id
    We wrote OrderService last year                   | tech:orderservice
    The payment-gateway fails                         | project:payment-gateway
    redis-cluster is slow                             | project:redis-cluster
    user-service talks to auth-api                    | project:user-service; project:auth-api
    The script is called build.sh                     | tech:build.sh
    Upgrade to v2.4.1                                 | version:2.4.1
    Upgrade to 2.4.1-rc.1                             | version:2.4.1-rc.1
    We run Python 3.12                                | concept:python 3.12; tech:python
    升级到 v3.2                                        | version:3.2
    Alice Johnson moved to Berlin                     | concept:alice johnson; concept:berlin
    Alice likes tea                                   | concept:alice
    Bob and Carol share an office                     | concept:bob; concept:carol
    The cat of Alice is grey                          | concept:alice
    José owns the budget                              | concept:jose
    The budget is owned by José García                | concept:jose garcia
    Müller wrote the report                           | concept:muller
    We asked Nguyễn Văn An                            | concept:nguyen van an
    Łukasz fixed it                                   | concept:lukasz
    We met Søren in Malmö                             | concept:soren; concept:malmo
    François and Zoë sing                             | concept:francois; concept:zoe
    We asked Jürgen Groß                              | concept:jurgen gross
    We asked O'Brien                                  | concept:o'brien
    We asked Sinéad O’Connor                          | concept:sinead o'connor
    We asked Jean-Luc Picard                          | concept:jean-luc picard
    Jean-Luc sails                                    | concept:jean-luc
    Anna's desk is free                               | concept:anna
    That is Alice’s bike                              | concept:alice
    We heard Ludwig van Beethoven                     | concept:ludwig van beethoven
    She works for Bank of America                     | concept:bank of america
    Dr. Smith is my dentist                           | concept:smith
    We joined Project Falcon                          | concept:project falcon; concept:falcon
    Our vendor is Acme Corp                           | concept:acme corp
    He lives in New York                              | concept:new york
    AWS hosts it                                      | tech:aws
    Robert, also known as Bobby, sings                | concept:robert; concept:bobby
    The crane, aka big bird, is old                   | concept:big bird
    王小明负责支付团队                                 | person:王小明; concept:支付
    支付模块由李雷维护                                 | person:李雷
    我和张伟是同学                                     | person:张伟
    欧阳娜娜喜欢大提琴                                 | person:欧阳娜娜
    我的同事陈静住在杭州                               | person:陈静; location:杭州
    问一下王老师                                       | person:王老师
    张总说可以                                         | person:张总
    请联系刘医生                                       | person:刘医生
    我住在北京                                         | location:北京
    上海区域的机房                                     | location:上海
    部署在上海区域                                     | location:上海
    下周去广东省出差                                   | location:广东
    办公室在浦东新区                                   | location:浦东新区
    她来自德国                                         | location:德国
    他在清华大学读书                                   | organization:清华大学
    迁移到阿里云                                       | organization:阿里云
    我在腾讯工作                                       | organization:腾讯
    合同是和蓝天科技公司签的                           | organization:蓝天科技公司
    工资卡是招商银行的                                 | organization:招商银行
    妈妈在人民医院上班                                 | organization:人民医院
    北京大学简称北大                                   | organization:北京大学; concept:北大
    支付网关简称 PG                                    | concept:支付网关; tech:postgresql
    番茄又叫西红柿                                     | concept:番茄; concept:西红柿
    客户是 Müller GmbH                                 | concept:muller gmbh; tech:muller
    用Ｒｅｄｉｓ做缓存                                 | tech:redis
"""

# Nothing to link a memory to.
PLAIN = """
    the user likes tea
    The User likes tea
    Is it ok to go now?
    It took 3 days and 20 percent
    We work on it every Monday
    Monday is my day off
    I think This is fine
    The answer is no
    User: I like tea
    Assistant: Sure, no problem.
    Coffee is best in the morning
    Lunch is at noon
    Deployed the new build yesterday
    Meeting moved to Friday
    Decision: we keep it
    Summary: nothing new
    TODO: call the plumber
    IMPORTANT: never do this
    NEVER deploy on FRIDAY
    PLEASE READ THIS CAREFULLY
    # Release Notes
    ## Next Steps
    - Buy milk
    However, it rains
    Although it rains, we go
    Unfortunately it broke
    Thanks a lot!
    Don't forget the milk
    It's cold, and I'm tired
    It costs $500 or 20 EUR
    It weighs 3.5 kg
    We have 200 MB left
    The train leaves at 10:30
    It starts at 3 PM
    It is 24/7
    read/write and/or he/she
    a long-term and real-time follow-up
    a well-known open-source tool
    state-of-the-art, up-to-date
    use it, e.g. for tea, i.e. often
    the U.S. market
    Version two is better
    on 2024-02-31 and on 2023年13月40日
    我喜欢喝茶
    今天天气很好
    用户喜欢简洁的回答
    许多人在等
    曾经是这样
    谢谢你的帮助
    黄金是贵金属
    夏天的时候很热
    付款是自动的
    这家公司很大
    他去银行了
    去医院看病
    一家互联网公司
    周一开会
    强大连接能力
    今天津贴发了
    大理石桌面
    今日本周都有空
    东西安装好了
    是的，没问题
    前端和后端
    最近在加班
"""


def rows(table: str) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]


def also(name: str) -> set[str]:
    """Short forms that may go with a name: the first word of two, initials, a date without its year."""
    words = name.split()
    forms = (
        {"".join(word[0] for word in words)} if len(words) > 2 else {words[0]} if len(words) == 2 else set()
    )
    return forms | ({name[5:]} if len(name) == 10 and name[4:5] == "-" else set())


@pytest.mark.parametrize(("text", "things"), rows(THINGS))
def test_things_and_their_types(text: str, things: str) -> None:
    wanted = {tuple(thing.strip().split(":", 1)) for thing in things.split(";")}
    found = {(each.kind, each.name) for each in entities(text.replace("\\\\", "\\"))}
    wanted = {(kind, name.replace("\\\\", "\\")) for kind, name in wanted}
    assert wanted <= found
    assert {name for _, name in found - wanted} <= {short for _, name in wanted for short in also(name)}


@pytest.mark.parametrize("text", [text for (text,) in rows(PLAIN)])
def test_plain_words_name_nothing(text: str) -> None:
    assert entities(text) == []


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("José", "jose"),
        ("JOSE\u0301", "jose"),
        ("Łódź", "lodz"),
        ("Strauß", "strauss"),
        ("Ｒｅｄｉｓ", "redis"),
        ("O’Brien", "o'brien"),
        ("Alice's", "alice"),
        ("Nguyễn", "nguyen"),
        ("Ærø", "aero"),
        ("北京", "北京"),
        ("ガ", "ガ"),
    ],
)
def test_one_thing_has_one_name(spelled: str, name: str) -> None:
    assert canonical(spelled) == name


@pytest.mark.parametrize(
    ("memory", "question"),
    [
        ("José García owns the budget", "what does jose garcia own?"),
        ("We asked Jose", "who asked JOSÉ?"),
        ("Alice's desk is free", "whose desk is alice's?"),
        ("Caching follows RFC9110", "what follows RFC 9110?"),
        ("We use k8s", "where do we use Kubernetes?"),
        ("他用Ｒｅｄｉｓ", "who uses redis?"),
        ("我住在北京", "谁住在北京？"),
        ("We asked O’Brien", "who asked o'brien"),
    ],
)
def test_memory_and_question_meet(memory: str, question: str) -> None:
    assert {each.name for each in entities(memory)} & set(possible_names(question))


def test_a_name_is_shown_as_it_was_written() -> None:
    assert next(each.display for each in entities("We asked José García")) == "José García"


def test_a_name_and_its_alias_are_one_thing() -> None:
    assert [each.name for each in entities("the k8s, that is kubernetes")] == ["kubernetes"]


@given(st.text())
def test_any_text_gives_few_distinct_names_that_fit(text: str) -> None:
    names = [each.name for each in entities(text * 3)]
    assert len(names) == len(set(names)) <= ENTITIES_PER_TEXT
    assert all(0 < len(name) <= NAME_LENGTH for name in names)
