"""Finding the things a text is about, by rules: names, identifiers, codes, versions, hosts, paths, dates, quotes.

Deterministic and without a model. Works on English, on Chinese, and on the mixture of both. A thing has one canonical
name under which memories and queries meet; aliases lead to it. `find` is what others use; it asks `written` for what
is recognised by its signs, `latin` and `chinese` for words and names, and `vocabulary` for what they know.
"""

from memoria.entities.find import ENTITIES_PER_TEXT, entities, possible_names
from memoria.entities.things import (
    CONCEPT,
    LINK_WEIGHTS,
    NAME_LENGTH,
    Found,
    LinkSource,
    canonical,
    plain,
)

__all__ = [
    "CONCEPT",
    "ENTITIES_PER_TEXT",
    "LINK_WEIGHTS",
    "NAME_LENGTH",
    "Found",
    "LinkSource",
    "canonical",
    "entities",
    "plain",
    "possible_names",
]
