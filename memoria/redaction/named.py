"""Secrets without a form of their own, known by the name before them: `password: …`, `curl -u name:…`, 密码是…"""

import re
from collections.abc import Iterator

from memoria.redaction.finding import Action, Rule, Span, Text, ascii_pattern, lowered
from memoria.redaction.values import Kind, Link, goes_on, is_phrase, is_secret_value

# Searched in small letters and without groups, which is many times as fast.
_NAME = re.compile(
    r"pass(?:word|wort|wd|phrase|-?code)?s?|pwd|psk|pw|masterauth|requirepass|codes?|pins?(?:[ _-]codes?)?"
    r"|otp"
    r"|key(?:s(?!ec))?|token(?:s(?!ec))?|secrets?|log-?ins?|credentials?|creds?|session[_-]?id|sid"
    r"|phpsessid|jsessionid|sessid"
)
_GROUPS = (
    ("login", ("login", "log-in", "cred")),
    ("code", ("code", "pin", "otp", "passcode", "pass-code")),
    ("password", ("passw", "passp", "pwd", "psk", "masterauth", "requirepass")),
    ("vague", ("pass", "pw")),
    ("key", ("key", "token", "secret")),
    ("token", ("s", "phpsessid", "jsessionid")),
)
_ANYWHERE = ("passw", "passp", "passc", "pass-", "key", "token", "secret")
"""Names that no other word ends with; the others must begin where a word begins (`compass`, `zipcode`)."""


# What `code` must follow to be a secret, and what `key` and `token` follow where they are one for sure. The codes of
# doors, gates and alarms are none: people tell them to their assistants to be reminded of them.
_CODE_OF = frozenset(
    "security verification confirmation auth authentication authorization login sms otp 2fa mfa recovery backup"
    " pairing activation unlock".split()
)
_KEY_OF = frozenset("app id bot hmac jwt root user auth api totp 2fa mfa".split())
_KEY_OF_ENDS = tuple(
    "access secret private signing signature encryption decryption master account shared license licence"
    " application"
    " service server client consumer webhook session refresh bearer personal deploy admin storage"
    " registration"
    " integration merchant userapi myapi".split()
)
# A name that is about something else: what is public, or was made from a secret and does not give it away.
_OTHER = frozenset(
    "public pub host publishable site recipient hash hashed encrypted encoded salted fingerprint known"
    " authorized".split()
)
_KINDS = {
    "password": Kind.PASSWORD,
    "code": Kind.CODE,
    "key": Kind.KEY,
    "vague": Kind.VAGUE,
    "login": Kind.VAGUE,
    "token": Kind.TOKEN,
}
# A name that is about something else: what is public, or was made from a secret and does not give it away.
_LINK = ascii_pattern(
    r"(?P<set>=)(?=[^\s=>~])"
    r"|(?P<colon>\s{0,8}(?::=|=>|->|→|就是|改为|[:：=＝是为](?![=~])|(?<=\s)-(?=\s)"
    r"|\|)[*_]{0,2}[^\S\n]{0,8}[*_]{0,2}|>(?=[^\s<]))"
    r"|(?P<to>(?:[^\S\n]from [a-z0-9 ]{1,30}?)?[^\S\n]{1,4}to[^\S\n]{1,4})"
    r"|(?P<is>\s{1,4}(?:(?:is|was|has been|will be)\s{1,4})?(?:(?:now|still|just|currently|simply)\s{1,4})?"
    r"(?:is|was|are|be|equals|becomes|remains|as|(?:re)?set to|changed to)[ :]\s{0,4}(?:(?:now|still)\s)?)"
    r"|(?P<next>[^\S\n]{1,4}[(\[]?)"
)
_CLOSING = re.compile(r"[\"'`\])*_]{0,2}(?:\s?\([a-z0-9_ ,]{1,24}\))?")
# `password for the staging portal: …`, `password to mom's laptop is …`, `password I use is …`
_WHOSE = ascii_pattern(
    r"\s{1,4}(?:for|of|on|at|in|that|which|i|we|you|they|he|she"
    r"|to(?=\s(?:the|this|that|these|those|my|our|your|his|her|its|their|[\w-]{1,40}(?:['’]s|s['’]))\s))"
    r"(?:\s{1,4}[\w.'’-]{1,40}){1,4}?(?=\s?[:=：]|\s(?:is|was|are)\s)"
)
_FOLLOWS = frozenset(" \t\n\r\"'`])=:-：＝>(*→|是为就改")
_SETTING = re.compile(r"\b(?:set|chang|reset|update|rotate)\w{0,3}\b[^.\n]{0,20}\Z")
_CHINESE = re.compile(
    r"(?:(?P<code>验证码|校验码|动态码|提取码|访问码|动态口令|PIN码|门禁密码|支付密码)"
    r"|(?P<key>密钥|秘钥|令牌|私钥|授权码|凭证)|(?P<password>密码|口令|暗号))"
    r"(?P<filler>[^\x00-\x7f，。；！？、：“”‘’「」『』【】（）《》]{0,8}?)"
    r"(?P<link>\s{0,4}(?:改成了?|改为了?|设置为|设置成|设成|设为|换成了?|重置为|就是|即为|是|为|叫|＝|=|:|：|->)\s{0,4})?"
    r"\s{0,4}(?P<open>[“‘「『【（(\"'`\[]?)(?P<value>[!-~]{4,200})"
)
_ABOUT = re.compile(
    r"管理|长度|时间|期|次数|位数|字段|文件|路径|类型|算法|格式|编号|策略|强度|哈希|保存|存放|存在|放在|公钥|用量"
)
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "「": "」", "『": "』", "【": "】"}
_ESCAPED = ('\\"', "\\'")
_VALUE = re.compile(r"[!-~]{1,300}")
_PAIR = re.compile(r"(?P<user>[\w.@+-]{2,40})(?:\s?/\s?|:)(?P<value>[!-~]{4,100})", re.ASCII)
_LAST = ".,;:)]}>\"'`"


def _value_at(text: str, at: int) -> tuple[int, int, bool]:
    """Where the value that begins here lies, and whether it is quoted. Quotes bound it; a blank does otherwise."""
    opening = text[at : at + 1]
    if text[at : at + 2] in _ESCAPED:
        end = text.find(text[at : at + 2], at + 2, at + 202)
        if end > 0:
            return at + 2, end, True
    if (closing := _QUOTES.get(opening)) is not None:
        end = text.find(closing, at + 1, at + 202)
        if end > 0 and "\n" not in text[at:end]:
            return at + 1, end, True
        at += 1
    found = _VALUE.match(text, at)
    return (at, found.end(), False) if found is not None else (at, at, False)


_TAG = re.compile(
    r"</|\\n|&(?=[\w.-]{1,40}=)|;(?=[\w.-]{1,40}=)|,(?=[\w.-]{1,40}[=:])|['\"](?=[,;})\]])|\\[\"']"
)


def _trimmed(text: str, start: int, end: int) -> int:
    """The end without what belongs to the sentence or to the notation around."""
    if (cut := _TAG.search(text, start, end)) is not None:
        end = cut.start()
    value = text[start:end]
    bare = value.rstrip(_LAST)
    while value.count("(") and value.endswith(")") and bare.count("(") > bare.count(")"):
        bare += ")"
    return start + len(bare)


def _password_of_pair(text: str, at: int) -> Span | None:
    """The second part of `admin:hunter2` or `admin / hunter2`."""
    if (pair := _PAIR.match(text, at)) is None:
        return None
    start, end = pair.start("value"), _trimmed(text, *pair.span("value"))
    is_secret = is_secret_value(
        text[start:end], Kind.PASSWORD, Link.IS, is_quoted=False, after=text[end : end + 24]
    )
    return (start, end) if is_secret else None


def _found(text: str, at: int, kind: Kind, link: Link) -> Span | None:
    """The secret that begins here, if it is one."""
    start, end, is_quoted = _value_at(text, at)
    if is_quoted and " " in text[start:end]:
        value = text[start:end]
        if kind is Kind.PASSWORD and (is_phrase(value) or _is_odd(value)):
            return start, end
        return None
    if not is_quoted:
        end = _trimmed(text, start, end)
    value = text[start:end]
    if is_secret_value(value, kind, link, is_quoted=is_quoted, after=text[end : end + 24]):
        return start, end
    return None


def _is_odd(value: str) -> bool:
    """Whether quoted words hold figures and signs as no sentence does: `n3xu5 & co`."""
    return len(value) <= 40 and any(c.isdigit() for c in value) and any(c in "&@#$%^*!" for c in value)


def _kind(group: str, name: str, before: str) -> Kind | None:
    """What a name promises after these words; None where it is the name of something else."""
    words = before.replace("_", " ").replace("-", " ").replace(".", " ").split()[-2:] or [""]
    last = words[-1]
    if last in _OTHER:
        return None
    if group == "code" and name.startswith("code"):
        return Kind.CODE if last in _CODE_OF or words in (["one", "time"], ["two", "factor"]) else None
    if (
        group == "key"
        and not name.startswith("secret")
        and last not in _KEY_OF
        and not last.endswith(_KEY_OF_ENDS)
    ):
        return Kind.TOKEN if name.startswith("token") else Kind.BARE
    return _KINDS[group]


def _group(name: str, low: str, start: int, end: int) -> str | None:
    """The group of a name in a text of small letters; None where it is a part of another word."""
    if low[end : end + 1].isascii() and low[end : end + 1].isalnum():
        return None
    if (
        low[start - 1 : start].isascii()
        and low[start - 1 : start].isalpha()
        and not name.startswith(_ANYWHERE)
    ):
        return None
    return next(group for group, beginnings in _GROUPS if name.startswith(beginnings))


def _named(text: Text) -> Iterator[Span]:
    low = text.lower
    for name in _NAME.finditer(low):
        group = _group(name.group(), low, *name.span())
        link = _link(low, name.end()) if group is not None else None
        if group is None or link is None:
            continue
        before = low[max(0, name.start() - 24) : name.start()]
        kind, how = _kind(group, name.group(), before), link.lastgroup or ""
        if kind is None or (how == "to" and _SETTING.search(before) is None):
            continue
        if group == "login":
            found = _password_of_pair(text.text, link.end())
        else:
            found = _found(text.text, link.end(), kind, Link["IS" if how == "to" else how.upper()])
        if found is not None:
            yield found


def _link(low: str, at: int) -> "re.Match[str] | None":
    """What ties a name that ends here to its value."""
    if low[at : at + 1] not in _FOLLOWS:
        return None
    if (closing := _CLOSING.match(low, at)) is not None:
        at = closing.end()
    if (whose := _WHOSE.match(low, at)) is not None:
        at = whose.end()
    return _LINK.match(low, at)


def _named_in_chinese(text: Text) -> Iterator[Span]:
    if not any(hint in text.text for hint in "码口钥令凭暗"):
        return
    for match in _CHINESE.finditer(text.text):
        if _ABOUT.search(match["filler"]) or (match["filler"] and not match["link"]):
            continue
        kind = _KINDS["code" if match["code"] else "key" if match["key"] else "password"]
        link = Link.COLON if match["link"] else Link.NEXT
        at = match.start("value") - len(match["open"])
        if (found := _found(text.text, at, kind, link)) is not None:
            yield found


_IS_MY = ascii_pattern(
    r"[\"'`]?(?P<link> (?:is|was|as) (?:my|your|the|our|his|her|their) (?:[\w-]{1,20} ){0,2}?)"
    r"(?P<name>password|passphrase|passcode|pin|code|key|token)\b"
)
_LAST_WORD = re.compile(r"[!-~]{4,64}\Z")


def _named_afterwards(text: Text) -> Iterator[Span]:
    """`482913 is your verification code`."""
    low = text.lower
    for match in _IS_MY.finditer(low):
        word = _LAST_WORD.search(text.text, max(0, match.start() - 64), match.start())
        group = {"code": "code", "pin": "code", "passcode": "code", "key": "key", "token": "key"}.get(
            match["name"], "password"
        )
        kind = _kind(group, match["name"], low[max(0, match.start("name") - 24) : match.start("name")])
        if word is None or kind is None:
            continue
        start = word.start() + (word.group()[0] in _QUOTES)
        if goes_on(text.text[max(0, start - 1) : start]):
            continue
        if is_secret_value(
            text.text[start : word.end()], kind, Link.NEXT, is_quoted=start > word.start(), after=""
        ):
            yield start, word.end()


# Commands that take a password without naming it. What they have before it is bounded: no text is read twice.
_COMMANDS = tuple(
    (hint, ascii_pattern(pattern))
    for hint, pattern in (
        (
            "curl",
            r"\bcurl\b[^\n|;]{0,300}?\s(?:-u|-U|--user|--proxy-user)[ =]?(?P<quote>['\"]?)[\w.@%+-]{1,64}:(?P<value>\S+)",  # noqa: E501
        ),
        ("wget", r"\bwget\b[^\n|;]{0,300}?\s--(?:http-|ftp-)?password[ =](?P<quote>['\"]?)(?P<value>\S+)"),
        ("mysql", r"\bmysql\w*\b[^\n|;]{0,300}?\s-p(?P<quote>['\"]?)(?P<value>[^\s-]\S*)"),
        ("mariadb", r"\bmariadb[^\n|;]{0,300}?\s-p(?P<quote>['\"]?)(?P<value>[^\s-]\S*)"),
        ("sshpass", r"\bsshpass\s{1,4}-p\s{0,4}(?P<quote>['\"]?)(?P<value>\S+)"),
        ("login", r"\blogin\b[^\n|;]{0,200}?\s(?:-p|--password)[ =](?P<quote>['\"]?)(?P<value>\S+)"),
        ("redis-cli", r"\bredis-cli\b[^\n|;]{0,200}?\s-a[ =](?P<quote>['\"]?)(?P<value>\S+)"),
        ("mongo", r"\bmongo\w*\b[^\n|;]{0,300}?\s-p[ =]?(?P<quote>['\"]?)(?P<value>[^\s-]\S*)"),
        (
            "htpasswd",
            r"\bhtpasswd\s{1,4}-\w{0,8}b\w{0,8}\s{1,4}\S{1,100}\s{1,4}[\w.@-]{1,64}\s{1,4}(?P<quote>['\"]?)(?P<value>\S+)",
        ),
        ("/user:", r"/user:\S{1,64}\s{1,4}(?P<quote>['\"]?)(?P<value>\S+)"),
        ("ldap", r"\bldap\w+\b[^\n|;]{0,300}?\s-w[ =]?(?P<quote>['\"]?)(?P<value>\S+)"),
        (
            "smbclient",
            r"\bsmbclient\b[^\n|;]{0,300}?\s-U[ =]?(?P<quote>['\"]?)[\w.\\/@-]{1,64}%(?P<value>\S+)",
        ),
        ("mosquitto_", r"\bmosquitto_\w+\b[^\n|;]{0,300}?\s-P[ =]?(?P<quote>['\"]?)(?P<value>\S+)"),
        (
            "http",
            r"\bhttps?\s[^\n|;]{0,200}?(?:-a|--auth)[ =](?P<quote>['\"]?)[\w.@%+-]{1,64}:(?P<value>\S+)",
        ),
        ("sqlcmd", r"\bsqlcmd\b[^\n|;]{0,300}?\s-P[ =]?(?P<quote>['\"]?)(?P<value>\S+)"),
        ("identified", r"identified\s{1,4}by\s{1,4}(?P<quote>['\"])(?P<value>[^'\"\n]{1,100})"),
        (
            "IDENTIFIED",
            r"IDENTIFIED\s{1,4}(?:WITH\s{1,4}\w{1,40}\s{1,4})?BY\s{1,4}(?P<quote>['\"])(?P<value>[^'\"\n]{1,100})",
        ),
        (
            ":",
            r":(?:\d{2,5}|\*):[A-Za-z*][\w*-]{0,63}:[A-Za-z][\w-]{0,63}:(?P<quote>)(?P<value>[^\s:]{4,100})",
        ),
    )
)


def _in_commands(text: Text) -> Iterator[Span]:
    for hint, pattern in _COMMANDS:
        if hint not in text.text:
            continue
        for match in pattern.finditer(text.text):
            start, end = match.span("value")
            if quote := match["quote"]:
                closing = text.text.find(quote, start, start + 200)
                end = closing if closing > 0 else end
            else:
                end = _trimmed(text.text, start, end)
            value = text.text[start:end]
            if is_secret_value(value, Kind.PASSWORD, Link.SET, is_quoted=bool(quote), after="") or _is_odd(
                value
            ):
                yield start, end


_NOT_NEAR = re.compile(
    r"public|fingerprint|checksum|digest|sha\d|ssh-|host key|recipient|commit|integrity|公钥|指纹"
)
_NEAR = ascii_pattern(
    r"(?<![a-z])(?:key|token|secret|credential|accountkey|signature)\w{0,40}(?!\w)[^\n]{0,20}\Z"
)
_LONG = ascii_pattern(r"(?<![\w/+])[A-Za-z0-9+/_-]{32,}={0,2}(?![\w/+])")


def _near(text: Text) -> Iterator[Span]:
    """Long random values that follow the name of a key within a few words."""
    for begin, end in text.runs:
        for match in _LONG.finditer(text.text, begin, end):
            before = text.lower[max(0, match.start() - 72) : match.start()]
            if _NEAR.search(before) is None or _NOT_NEAR.search(before) is not None:
                continue
            if is_secret_value(match.group().rstrip("="), Kind.BARE, Link.NEXT, is_quoted=False, after=""):
                yield match.span()


def _assigned(text: Text) -> Iterator[Span]:
    for find in (_named, _named_in_chinese, _named_afterwards, _in_commands):
        yield from find(text)


RULES = (
    Rule("password_assign", Action.BLOCK, _assigned),
    Rule("named_secret", Action.BLOCK, _near),
)


_CHINESE_NAME = re.compile(
    r"(?P<code>验证码|提取码|PIN码)\Z|(?P<key>密钥|秘钥|令牌|私钥|授权码)\Z|(?P<password>密码|口令)\Z"
)


def kind_of(name: str) -> Kind | None:
    """What the name of a field promises of its value; None where it is no name of a secret."""
    low = lowered(name).strip(" \"'")
    for match in _NAME.finditer(low):
        group = _group(match.group(), low, *match.span()) if match.end() == len(low) else None
        if group is not None and group != "login":
            return _kind(group, match.group(), low[: match.start()])
    chinese = _CHINESE_NAME.search(name)
    return _KINDS[chinese.lastgroup or ""] if chinese is not None else None


def is_secret_under(value: str, kind: Kind) -> bool:
    """Whether the value of a field with such a name is a secret as a whole."""
    value = value.strip()
    if " " in value:
        return kind is Kind.PASSWORD and (is_phrase(value) or _is_odd(value))
    return is_secret_value(value, kind, Link.COLON, is_quoted=True, after="")
