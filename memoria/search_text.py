"""What is stored and indexed of a memory's text: its tokens, the marks of its signals, and its keys for decisions."""

from memoria.decisions import decision_keys
from memoria.signals import marks
from memoria.tokens import encoded, tokens


def search_text(text: str) -> str:
    """Words separated by blanks; the first letter of each says what it is (memoria.tokens, signals, decisions)."""
    return " ".join([*map(encoded, tokens(text)), *marks(text), *decision_keys(text)])
