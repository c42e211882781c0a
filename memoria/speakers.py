"""Who says a memory, where its text is a line of a conversation: "user: …", "assistant: …"."""

import re

NOBODY = 0
PERSON = 1
ASSISTANT = 2

_LABEL = re.compile(
    r"\A\s*(?:\[?)(user|human|customer|me|assistant|ai|bot|agent|system|model)(?:\]?)\s*[:：]", re.IGNORECASE
)
_PERSONS = frozenset({"user", "human", "customer", "me"})


def speaker(beginning: str) -> int:
    """NOBODY for a plain text, else PERSON or ASSISTANT, by the label it begins with."""
    if (match := _LABEL.match(beginning)) is None:
        return NOBODY
    return PERSON if match.group(1).lower() in _PERSONS else ASSISTANT
