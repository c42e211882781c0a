"""Names are found however their letters are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.entities.things import canonical
from memoria.latin import without_diacritics
from memoria.tokens import tokens


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Łódź", "Lodz"),
        ("Øystein Ærø", "Oystein Aero"),
        ("Đorđe", "Dorde"),
        ("José Peña", "Jose Pena"),
        ("Straße", "Strasse"),
        ("Ｆｕｌｌ", "Full"),
        ("Þór", "Thor"),
    ],
)
def test_letters_are_found_without_what_was_added(written: str, plain: str) -> None:
    assert without_diacritics(written) == plain
    assert tokens(written) == tokens(plain)
    assert canonical(written) == canonical(plain)


def test_other_scripts_stay_as_they_are() -> None:
    for text in ("한국어", "東京タワー", "Москва", "ελληνικά", "עברית"):
        assert "".join(tokens(text)) != ""
    assert without_diacritics("한국어 東京") == "한국어 東京"


@given(st.text(max_size=30))
def test_folding_again_changes_nothing(text: str) -> None:
    once = without_diacritics(text)
    assert without_diacritics(once) == once
