"""What ranking wants to know of a text: here, the names of it in Latin letters that are not ASCII."""

import pytest

from memoria.signals import names
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
