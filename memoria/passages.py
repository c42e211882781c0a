"""What of a text is embedded: passages of prose for a memory, the point of it for a query.

One vector of a long message says little about each of the things it holds; a few of its passages do. Fenced code is
left to the lexical channel. Measured in docs/decisions/0009.
"""

import re

PASSAGE_WORDS = 60
PASSAGES = 4
# With less prose than this around it, code is what the message is about.
LEAST_PROSE = 40

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)|(?<=[。！？；])")
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z0-9_]+|[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af]")
_REQUEST = re.compile(
    r"""
    \b(?:can|could|would|will)\s+you\s+(?:please\s+|also\s+)?
  | \b(?:please|kindly)\b
  | \b(?:give|provide|tell|show|remind|offer)\s+(?:me|us)\b(?:\s+(?:with|about))?
  | \bprovide\b
  | \bwalk\s+me\s+through\b
  | \b(?:a|an|the)?\s*(?:(?:comprehensive|complete|detailed|brief|short|full|quick|clear|concise|thorough)\s+)*
    (?:summary|overview|recap|outline|list|timeline)\s+of\b
  | ^\s*(?:summari[sz]e|recap|list|outline|describe)\b
  | \b(?:in\s+)?(?:the\s+)?(?:chronological\s+)?(?:order|sequence)\s+(?:in\s+which|of|that)\b
  | \b(?:i|we)(?:'ve|\s+have)?\s+(?:brought\s+up|mentioned|discussed|talked\s+about|raised|covered)\b
  | \b(?:the\s+)?(?:different|various)\s+(?:aspects|topics|things|parts)\s+
    (?:of|related\s+to|about|around|regarding)
  | \b(?:throughout|across|during|over|in|from)\s+(?:all\s+(?:of\s+)?)?(?:our|my|these|the)\s+(?:\w+\s+)?
    (?:conversations?|chats?|discussions?|sessions?)\b
  | ,?\s*\bin\s+(?:chronological\s+)?order\b(?!\s+to)
  | \b(?:so\s+far|over\s+time)\b
  | \b(?:mention|include|list|name|give)\s+only\b.{0,80}?\b(?:items?|things|points|topics)\b
  | 请(?:你|您)?(?:帮我)?|(?:告诉|提醒)我|总结一下|列出|按(?:时间)?顺序
    """,
    re.IGNORECASE | re.VERBOSE,
)


def words_in(text: str) -> int:
    """Words, a Chinese, Japanese or Korean character counting as one."""
    return len(_WORD.findall(text))


def passages(text: str, most: int = PASSAGES) -> list[str]:
    """The first `most` passages of about PASSAGE_WORDS words each; at least one.

    Sentences and lines are merged until a passage is full; an empty line ends one that is half full.
    """
    prose = _FENCED.sub("\n\n", text)
    found: list[str] = []
    current: list[str] = []
    size = 0
    for line in (prose if len(prose.strip()) > LEAST_PROSE else text).split("\n"):
        if not (line := line.strip()) and size >= PASSAGE_WORDS / 2:
            found.append("\n".join(current))
            current, size = [], 0
        for sentence in filter(None, map(str.strip, _SENTENCE_END.split(line))):
            words = words_in(sentence)
            if size and size + words > PASSAGE_WORDS:
                found.append("\n".join(current))
                current, size = [], 0
            current.append(sentence)
            size += words
        if len(found) >= most:
            return found[:most]
    if current:
        found.append("\n".join(current))
    return found[:most] or [text]


def focus(query: str) -> str:
    """A query without the phrases of asking: "can you list the order in which I brought up …" says nothing of what.

    The question mark stays: embedders know questions by it.
    """
    point = re.sub(r"\s+", " ", _REQUEST.sub(" ", query))
    point = re.sub(r"\s+([,.?!])", r"\1", point).strip(" ,.?!")
    if words_in(point) < 2:
        return query
    return point + ("?" if "?" in query or "？" in query else "")
