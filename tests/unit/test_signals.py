"""What ranking wants to know of a text: here, names in Latin letters that are not ASCII, and Chinese ones."""

import pytest

from memoria.signals import names, names_asked
from memoria.tokens import encoded, tokens


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("The budget is José's", "José"),
        ("The budget is Jose\u0301's", "José"),
        ("We asked Müller", "Müller"),
        ("We met in Malmö", "Malmö"),
        ("We asked Łukasz", "Łukasz"),
        ("客户是 Müller", "Müller"),
        ("他用Ｒｅｄｉｓ做缓存", "redis"),
    ],
)
def test_a_name_is_known_by_its_whole_word(text: str, name: str) -> None:
    found = names(text)
    assert {encoded(token) for token in tokens(name)} <= found.strong
    assert not {encoded("jos"), encoded("malm"), encoded("ller"), encoded("ukasz")} & (
        found.strong | found.weak
    )


def test_a_name_and_its_plain_spelling_are_one() -> None:
    assert names("We asked José").strong == names("We asked Jose").strong


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("周岚是护士长", "周岚"),
        ("高远负责发布", "高远"),
        ("常青说水泵坏了", "常青"),
        ("温控在机房里", ""),
        ("高可用是目标", ""),
        ("向量是用来检索的", ""),
        ("高雄是一座城市", ""),
        ("石家庄有分公司", ""),
        ("方案是小马写的", "小马"),
        ("高级工程师负责审查", ""),
        ("周一是休息日，周边是山", ""),
        ("任务是完成迁移", ""),
        ("许多是旧的，于是要换", ""),
    ],
)
def test_a_chinese_name_begins_with_a_surname_and_no_word_does(text: str, name: str) -> None:
    assert names(text).strong == ({encoded(name)} if name else set())


def test_any_pair_of_characters_in_a_question_may_be_a_name() -> None:
    asked = names_asked("周岚管的 Redis 有没有隐患？")
    assert encoded("redis") in asked.strong
    assert encoded("隐患") in asked.weak
    assert names_asked("Who runs Redis?") == names("Who runs Redis?")
