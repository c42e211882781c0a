"""Whether what is said to be a password or a key looks like one: `hunter2` does; words, paths and code do not."""

import re
from enum import Enum, auto

from memoria.redaction.finding import is_jumbled, is_made_up, is_mixed, is_random


class Kind(Enum):
    """What a name promises."""

    PASSWORD = auto()
    """Anything a person can think of, figures alone among it."""
    CODE = auto()
    """A few figures or letters: PINs, codes sent by SMS, codes of doors."""
    KEY = auto()
    """Made by a machine: keys, tokens."""
    VAGUE = auto()
    """May be a password (`pass:`, `pw`) and something else as well."""
    TOKEN = auto()
    """`token` alone, or a session: also a word of languages and of pools, so only what is long counts."""
    BARE = auto()
    """`key` alone: also of caches, tables and maps, so only what is long and random counts."""


class Link(Enum):
    """How a name and its value hang together, from the surest on."""

    SET = auto()
    """`name=value` as in a file."""
    COLON = auto()
    IS = auto()
    NEXT = auto()
    """Nothing but a blank between them."""


_PLACEHOLDER = re.compile(
    r"<[^>]*>?|\$[A-Za-z_]\w*|\$[{(].*|\{+.*|\[.*|%.*%|%\w\Z|[*•●·_-]+|x{3,}|\.{2,}|…+|!\w+|\(.*\)?|&lt;.*"
    r"|(?:os|process|env|config|settings|self|this|sys|ctx|opts|args|params|request|req|secrets|vars|var)\..*"
    r"|.*(?:placeholder|redacted|changeme|change_me|your[_-]|example|dummy|xxxx).*|todo|tbd|n/?a|e\.g\.?"
    r"|i\.e\.?",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"[a-z][a-z0-9+.-]{1,20}://.*|(?:arn|op|vault|ssm|sops|env|file|kms|secret|secrets|keyvault|gcp|aws"
    r"|azure|k8s|ref|https?|ssh|git|s3|gs)[:/].*"
    r"|\$\w{1,10}\$.*|(?:pbkdf2|argon2|bcrypt|scrypt|sha\d+|md5)[:$_].*|\{\w+\}.*|AAAA[BCE]3Nza.*|SHA256:.*"
    r"|age1\w+|RW[QRS]\w+",
    re.IGNORECASE,
)
_PATH = re.compile(
    r"\\.*|(?:~|\.{1,2})?(?:/[\w.@*+-]+)+/?|[A-Za-z]:\\.*|(?:[\w.-]+/)+[\w-]+(?:\.[A-Za-z]\w{0,4})?"
    r"|[\w-]+\.[a-z]{2,4}"
)
_CODE = re.compile(
    r"[A-Za-z_][\w.]*\s*[(\[{].*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|[A-Za-z]+(?:_[A-Za-z]+)+\d?|/\^.*"
    r"|[{}()\[\]<>|;]+.*"
)
_ASSIGNMENT = re.compile(r"[A-Za-z_][\w.-]*[=:]")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Names of algorithms, formats and products that have figures in them.
_TERM = re.compile(
    r"(?:base\d+|sha-?\d+|md\d|rsa-?\d*|aes-?\d*|ed\d+|x\d+|curve\d+|secp\d+[kr]\d|p-?\d{3}|[hrep]s\d{3}"
    r"|pkcs#?\d*|oauth\d?"
    r"|utf-?\d+|ipv\d|https?\d?|h[23]|s3|ec2|r2|k[38]s|v\d+(?:\.\d+)*|[12]fa|mfa|argon2(?:id|i|d)?|pbkdf2"
    r"|b?crypt|u2f"
    r"|fido\d|tls\d?|ssl\d?|tpm\d|uuid(?:v?\d)?|ulid|gpt|cbc|gcm|ccm|ctr|chacha\d*|poly\d+|blake\d\w?|hmac"
    r"|jwt|jwe|jws"
    r"|totp|hotp|iso\d*|rfc\d*|ascii\d?|latin\d|python\d?|py\d|web3|oidc|saml\d?|ldap\d?|kv\d?|db\d?|l2tp"
    r"|sm[234]|des\d?|3des|(?:md5|sha\d+)crypt|base64url|wpa\d?(?:psk)?|(?:ms|net)?(?:chapv?|ntlmv?)\d|utf8mb4"
    r"|u?int\d+|(?:var)?char\d+|bytes\d+)",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"(?:pass(?:word|wd)?|pwd|secret|token|key|user|field|value|arg|var|param|string|str|row|col|column"
    r"|server|host|node"
    r"|level|step|phase|page|slide|section|version|ver|id|index|item|line|part|test|name|account|file"
    r"|option|method"
    r"|type|group|team|table|column|bearer|client|app|service|instance|env|stage|prod|dev)s?[_-]?\d{1,3}",
    re.IGNORECASE,
)
_STAND_IN = re.compile(
    r"(?:test|my|new|old|user|some|the|db|root)?[_-]?(?:pass(?:word|wd)?|pwd|secret|token|key)s?",
    re.IGNORECASE,
)
# What examples and tests of code have in its place: mysecretpassword, wrong_password, secure_password123.
_EXAMPLE = re.compile(
    r"(?:(?:test|my|your|new|old|user|some|any|the|a|root|secret|secure|super|strong|weak|wrong|correct|right|valid"
    r"|invalid|other|another|different|plain|hashed|fake|mock)[_-]?){1,3}password[_-]?\d{0,3}"
)
_MEASURE = re.compile(
    r"\d{1,4}(?:[.,]\d+)?[+%]?-?(?:[a-z]{1,2}|bits?|bytes?|chars?|characters?|digits?|letters?|words?"
    r"|symbols?|min|mins|minutes?|hours?|hrs?"
    r"|sec|secs|seconds?|days?|weeks?|months?|years?|times|th|st|nd|rd|factor|step|way|fold"
    r"|stellig\w*)(?:-[a-z]+)*",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[T ].*)?|\d{1,2}:\d{2}.*|(?=[\d-]*[.:/,])[\d.:/,-]+|\d+-\d+-\d+"
)
_UNIT = re.compile(
    r"\s*(?:位|个|次|天|秒|分|小时|年|月|日|字|%|条|页|号)"
    r"|[ -]?(?:chars?|characters?|digits?|letters?|symbols?|bytes?|bits?|words?|days?|hours?|min|sec|weeks?"
    r"|months?|years?"
    r"|times?|attempts?|retries|failed|failures|users?|accounts?|people|or (?:more|less|fewer)|entries"
    r"|tries|x|different)\b",
    re.IGNORECASE,
)
_HARMLESS = frozenset(
    "none null nil true false yes no required optional missing empty blank hidden invalid incorrect wrong"
    " expired"
    " rotated stored unknown unset string text str bytes int number boolean object varchar password passwd"
    " passphrase"
    " secret token default disabled enabled manual automatic somewhere nothing undefined provided protected"
    " encrypted"
    " hashed necessary mandatory confidential username user login admin basic bearer apikey".split()
)
# Words that people really have for a password.
_COMMON_PASSWORDS = frozenset(
    "letmein qwerty qwertz azerty qwertyuiop iloveyou sunshine princess dragon monkey football baseball superman"
    " batman michael jordan starwars trustno1 asdf asdfgh asdfghjkl zxcvbn zxcvbnm toor changeit".split()
)
_TALK = frozenset(
    "a an the is are was be been must should can may will to of in at on for by with from and or not your"
    " you my it its"
    " this that please enter contain contains least has have do does use used see if when than no only"
    " which who".split()
)


def is_placeholder(value: str) -> bool:
    """Whether a value stands for one: `<password>`, `$PASSWORD`, `***`, `process.env.X`."""
    return _PLACEHOLDER.fullmatch(value) is not None


def is_phrase(value: str) -> bool:
    """Whether quoted words are a pass phrase: several, and not a sentence about one."""
    words = value.split()
    return (
        3 <= len(words) <= 12
        and all(word.isalnum() for word in words)
        and not _TALK & set(value.lower().split())
    )


def _is_other(value: str) -> bool:
    """Whether it is something else that people put there: a path, a reference, code, a date, a measure."""
    forms = (_PLACEHOLDER, _REFERENCE, _CODE, _EMAIL, _NUMBERED, _STAND_IN, _EXAMPLE, _MEASURE, _DATE)
    if any(form.fullmatch(value) for form in forms) or is_made_up(value):
        return True
    return _PATH.fullmatch(value) is not None and not (
        len(value) >= 32 and "." not in value and is_random(value)
    )


def _is_said(value: str) -> bool:
    """Whether it is made of words, numbers in front and names of algorithms: `base64-encoded`, `AES-256`."""
    parts = [part for part in re.split(r"[-_./+,:;'’&]", value) if part]
    return all(
        (part.isalpha() and not is_jumbled(part))
        or _TERM.fullmatch(part)
        or (part.isdigit() and (place == 0 or _TERM.fullmatch(parts[place - 1])))
        for place, part in enumerate(parts)
    )


def is_secret_value(value: str, kind: Kind, link: Link, *, is_quoted: bool, after: str) -> bool:
    """Whether this value of a thing named so is a secret. `after` is what follows it in the text."""
    low = value.lower()
    if low in _COMMON_PASSWORDS and kind is Kind.PASSWORD and link is not Link.NEXT:
        return True
    if low in _HARMLESS or len(value) < 4:
        return False
    if value.isdigit():
        return _is_number(value, kind, link) and _UNIT.match(after) is None
    if _is_other(value) or (link is Link.NEXT and _ASSIGNMENT.match(value)):
        return False
    if kind in (Kind.TOKEN, Kind.BARE):
        return _is_long(value, kind, link)
    if value.isalpha():
        return _is_word(value, kind, link, is_quoted=is_quoted, is_whole=not goes_on(after[:1]))
    if _is_said(value):
        return False
    letters, digits = any(c.isalpha() for c in value), any(c.isdigit() for c in value)
    symbols = sum(not c.isalnum() and c not in "-_./',:;" for c in value)
    if kind is Kind.CODE:
        return digits and len(value) <= 24
    if link is Link.NEXT:
        least = 6 if kind in (Kind.PASSWORD, Kind.VAGUE) else 16
        return len(value) >= least and digits and (letters or symbols > 0)
    if link is Link.SET and len(value) >= 6:
        return True
    return (letters and digits and len(value) >= (8 if kind is Kind.KEY else 5)) or (
        (letters or digits) and symbols > 0 and len(value) >= 6
    )


def _is_number(value: str, kind: Kind, link: Link) -> bool:
    """Figures alone are a password where one is named outright, and a code where they are few."""
    if kind is Kind.CODE:
        return len(value) <= 10
    return kind is Kind.PASSWORD and len(value) >= (6 if link is Link.NEXT else 4)


def goes_on(letter: str) -> bool:
    """Whether a word of ASCII letters goes on with this one: `Schwarzkümmel`, but not `密码是hqzvxkwbtr的`."""
    return not letter.isascii() and (letter.islower() or letter.isupper())


def _is_word(value: str, kind: Kind, link: Link, *, is_quoted: bool, is_whole: bool) -> bool:
    """Letters alone say something about a password far more often than they are one."""
    if is_whole and is_jumbled(value):
        return len(value) >= (16 if kind is Kind.KEY and not is_quoted and link is Link.NEXT else 6)
    if kind in (Kind.PASSWORD, Kind.VAGUE) and value.isascii():
        return len(value) >= (4 if is_quoted and kind is Kind.PASSWORD else 6) and (
            is_quoted or link is Link.SET
        )
    return False


def _is_long(value: str, kind: Kind, link: Link) -> bool:
    if link is Link.SET or (kind is Kind.TOKEN and link is not Link.NEXT):
        return len(value) >= 20 and is_mixed(value)
    return len(value) >= 32 and is_random(value)
