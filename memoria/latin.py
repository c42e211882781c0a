"""Latin letters without what was added to them, so that José and Jose, Łódź and Lodz are found by each other."""

import re
import unicodedata

# Letters that Unicode does not take apart.
LETTERS = {
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "ð": "d",
    "ħ": "h",
    "ŧ": "t",
    "ı": "i",
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
    "ß": "ss",
}
_MARKS = re.compile("[\u0300-\u036f]+")
_TABLE = str.maketrans(
    LETTERS | {letter.upper(): plain.capitalize() for letter, plain in LETTERS.items() if letter not in "ıß"}
)


def without_diacritics(text: str) -> str:
    """Compatibility forms and Latin diacritics folded, capitals kept; Hangul stays whole."""
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    return unicodedata.normalize("NFC", _MARKS.sub("", decomposed)).translate(_TABLE)
