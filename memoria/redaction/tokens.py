"""Secrets that show what they are: tokens in documented forms, keys in armour, URLs with passwords."""

import base64
import binascii
import re
from collections.abc import Iterator

from memoria.redaction.finding import (
    Action,
    Rule,
    Span,
    Text,
    ascii_pattern,
    entropy,
    is_made_up,
    is_mixed,
    is_random,
    is_worded,
    span_of,
)
from memoria.redaction.values import is_placeholder

_ARMOUR = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_ARMOUR_END = re.compile(r"-----END [A-Z0-9 ]{0,40}-----")
_ARMOUR_LINES = re.compile(r"(?:(?:\s|\\[nr])*[A-Za-z0-9+/=]{24,})*")


def _private_keys(text: Text) -> Iterator[Span]:
    """From the first line to the last; without a last line, as far as the key goes."""
    if "-----BEGIN" not in text.text:
        return
    at = 0
    while (begin := _ARMOUR.search(text.text, at)) is not None:
        tail = text.text.find("-----END", begin.end())
        end = _ARMOUR_END.match(text.text, tail) if tail >= 0 else None
        other = text.text.find("-----BEGIN", begin.end())
        if end is None or 0 <= other < tail:
            end = _ARMOUR_LINES.match(text.text, begin.end())
        at = end.end() if end is not None else begin.end()
        yield begin.start(), at


_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# By provider, as documented. No letter or figure may follow a token, so that longer names and hashes are none.
_FORMS = (
    # GitHub, GitLab, Bitbucket
    r"gh[oprsu]_[A-Za-z0-9_.-]{30,}",
    r"github_pat_\w{22,}",
    r"gl(?:pat|dt|rt|rtr|cbt|ft|imt|agent|wt|soat|ffct|ptt|oas)-[\w.-]{20,}",
    r"GR1348941[\w-]{20,}",
    r"(?<=_gitlab_session=)[0-9a-z]{32}",
    r"ATBB[A-Za-z0-9]{28,}",
    # Clouds
    r"AIza[\w-]{35}",
    r"GOCSPX-[\w-]{20,}",
    r"ya29\.[\w.-]{20,}",
    r"1//0[\w-]{40,}",
    r"ABSK[A-Za-z0-9+/]{100,}=*",
    r"[\w~.]{3}\dQ~[\w.~-]{31,37}",
    r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}",
    r"[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{27}",
    r"[A-Za-z0-9+/]{76}(?:\+ASt|ACDb)[A-Za-z0-9+/]{6}==",
    r"[A-Za-z0-9+/]{42}\+ACR[A-Za-z0-9+/]{6}",
    r"[\w-]{44}AzFu[\w-]{5}[AQgw]==",
    r"(?<=[?&]sig=)[A-Za-z0-9%+/]{40,}={0,2}",
    r"do[opr]_v1_[a-f0-9]{64}",
    r"HRKU-[\w-]{36,}",
    r"fo1_[\w-]{43}",
    r"fm[12][ar]?_[A-Za-z0-9+/=_-]{60,}",
    r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}",
    r"LTAI[A-Za-z0-9]{16,24}",
    r"AKID[A-Za-z0-9]{28,36}",
    r"AKLT[A-Za-z0-9]{40,}",
    r"bce-v3/ALTAK-\w{20,}/[0-9a-f]{40}",
    r"SCW(?=[A-Z]{0,16}\d)[A-Z0-9]{17}",
    r"akab-[a-z0-9]{16}-[a-z0-9]{16}",
    rf"amzn\.mws\.{_UUID}",
    r"t1\.[\w-]{10,}={0,2}\.[\w-]{86}={0,2}",
    r"AQVN[\w-]{35,38}",
    r"sha256~[\w-]{43}",
    r"rnd_[A-Za-z0-9]{28,}",
    r"vercel_blob_rw_[A-Za-z0-9]{10,}_[A-Za-z0-9]{20,}",
    r"mdb_sa_sk_[\w-]{40,}",
    r"essu_[A-Za-z0-9+/]{40,}={0,2}",
    r"cflt[A-Za-z0-9+/]{60}",
    r"S[ACNOUX][A-Z2-7]{56}",
    r"tskey-[a-z]+-[\w-]{20,}",
    r"sbp_(?:oauth_|v0_)?[0-9a-f]{40}",
    r"sb_secret_[\w-]{20,}",
    r"pscale_(?:tkn|pw|oauth)_[\w.-]{32,}",
    # Chat
    r"xox[a-eoprs](?:\.xox[bp])?-[\w%-]{10,}",
    r"xapp-\d-[\w-]{10,}",
    r"https://hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[\w/]{20,}",
    r"[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}",
    r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d+/[\w-]{40,}",
    r"\d{7,10}:A[\w-]{34}",
    r"EAA[B-Z][A-Za-z0-9]{80,}",
    r"IGQV[\w-]{80,}",
    r"WPL_AP1\.[A-Za-z0-9]{16}\.[\w+/=]{8,}",
    r"oauth:(?=[a-z]{0,29}\d)[a-z0-9]{30}",
    r"dG9rO[A-Za-z0-9+/]{54,}=?",
    rf"https://[\w.-]+\.webhook\.office\.com/webhookb2/{_UUID}@{_UUID}/[\w/-]{{60,}}",
    r"https://hooks\.zapier\.com/hooks/catch/\d+/\w{6,}",
    r"(?<=/with/key/)[\w-]{22,}",
    r"https://open\.(?:feishu\.cn|larksuite\.com)/open-apis/bot/v2/hook/[\w-]{20,}",
    # Payment, mail, shops
    r"[spr]k_(?:live|test|prod)_[A-Za-z0-9]{16,}",
    r"whsec_[A-Za-z0-9+/=]{24,}",
    r"SK[0-9a-f]{32}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"key-[0-9a-f]{32}",
    r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}",
    r"[0-9a-f]{32}-us\d{1,2}",
    r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}",
    r"shp(?:at|ca|pa|ss|tka)_[a-fA-F0-9]{32}",
    r"sq0[a-z]{3}-[\w-]{22,}",
    r"EAAA[\w-]{56,}",
    r"(?<![+/])AQE[A-Za-z0-9+/]{60,600}={0,2}-[A-Za-z0-9+/]{40,600}={0,2}-\w{10,}",
    r"EZ[AT]K[A-Za-z0-9]{54}",
    r"FLWSECK(?:_TEST)?-[0-9a-z]{32}-X",
    r"duffel_(?:live|test)_[\w-]{40,}",
    r"shippo_(?:live|test)_[0-9a-f]{40}",
    r"pdl_(?:live|sdbx)_apikey_\w{40,}",
    r"live_(?=[A-Za-z]{0,40}\d)(?![0-9a-f]+\b)[A-Za-z0-9]{30,}",
    r"(?:live|test)_[0-9a-f]{35}",
    r"mlsn\.[0-9a-f]{64}",
    r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{24}",
    rf"pat-(?:na|eu|ap)\d-{_UUID}",
    r"access_token\$\w+\$[0-9a-z]{16}\$[0-9a-f]{32}",
    r"access-(?:sandbox|development|production)-[0-9a-f-]{36}",
    # Models
    r"hf_[A-Za-z0-9]{30,}",
    r"api_org_[A-Za-z0-9]{30,}",
    r"gsk_[A-Za-z0-9]{40,}",
    r"xai-[A-Za-z0-9]{40,}",
    r"pplx-[A-Za-z0-9]{40,}",
    r"r8_[A-Za-z0-9]{36,}",
    r"pcsk_[A-Za-z0-9_]{40,}",
    r"lsv2_[a-z]{2}_[0-9a-f]{32}_[0-9a-f]{10}",
    r"sk_[0-9a-f]{48}",
    r"fw_(?=[A-Za-z]{0,30}\d)[A-Za-z0-9]{22,}",
    r"tgp_v1_[\w-]{40,}",
    r"fc-[0-9a-f]{32}",
    r"wandb_v1_[\w-]{40,}",
    r"e2b_[0-9a-f]{40}",
    r"rpa_[A-Z0-9]{40,}",
    r"[0-9a-f]{32}\.[A-Za-z0-9]{16}",
    # Packages and tools
    r"(?:bkua_|sgp_(?:local_|[0-9a-f]{16}_)?)[0-9a-f]{40}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-[\w-]{40,}",
    r"dckr_[op]at_[\w-]{20,}",
    r"rubygems_[0-9a-f]{48}",
    r"oy2[a-z0-9]{43}",
    r"cio[A-Za-z0-9]{32}",
    r"CLOJARS_[a-z0-9]{60}",
    r"packagist_[ou][ru]t_[0-9a-f]{60,}",
    r"AKCp[A-Za-z0-9]{64,}",
    r"cmVmdGtu[A-Za-z0-9]{56}",
    r"sq[apu]_[0-9a-f]{40}",
    r"[12]/\d{13,19}(?:/\d{13,19})?:[0-9a-f]{32}",
    r"pk_\d{6,9}_[A-Z0-9]{32}",
    r"CFPAT-[\w-]{43}",
    r"fio-u-[\w=-]{64}",
    r"tfp_[\w.=-]{59}",
    rf"(?:waka_|sdk-){_UUID}",
    r"secret-(?:live|test)-[\w=-]{30,}",
    r"sk\.eyJ[\w-]{40,}\.[\w-]{20,}",
    r"csb_v1_[\w-]{40,}",
    r"tk-us-[\w-]{48}",
    r"sm_[aps]at_[A-Za-z0-9]{16}",
    r"s-s4t2(?:ud|af)-[0-9a-f]{64}",
    r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk",
    r"[ps]at\.[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}",
    r"API-(?=[A-Z]{0,25}\d)[A-Z0-9]{26}",
    r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}",
    r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}",
    r"ntn_[A-Za-z0-9]{40,}",
    r"secret_[A-Za-z0-9]{40,}",
    r"AT[ACS]TT3x[\w=-]{40,}",
    r"dapi[0-9a-f]{32}(?:-\d)?",
    r"glsa_\w{30,}",
    r"glc_[A-Za-z0-9+/=]{32,}",
    r"eyJrIjoi[A-Za-z0-9+/]{70,}={0,2}",
    r"hv[bsr]\.[\w-]{24,}",
    r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}",
    r"dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,}",
    r"PMAK-[0-9a-f]{24}-[0-9a-f]{30,}",
    r"fig[dhoru]{1,3}_[\w-]{30,}",
    r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    r"NR(?:AK|AL|II)-[\w-]{27,}",
    r"NRJS-[0-9a-f]{19}",
    r"sntry[su]_[A-Za-z0-9+/=_-]{60,}",
    r"(?<=://)[0-9a-f]{32}(?=@[\w.-]+/\d)",
    r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
    r"pul-[0-9a-f]{40}",
    r"ops_eyJ[\w-]{60,}",
    r"sl\.(?:u\.)?[\w-]{130,}",
    r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    # What many of them agree on
    r"sk-[\w-]{20,}",
)
_TOKEN = ascii_pattern(r"(?<![A-Za-z0-9_-])(?:" + "|".join(_FORMS) + ")(?![A-Za-z0-9])")
# Hashes and ids of other things look the same: it takes a word before them.
_SHARED = ascii_pattern(r"fc-[0-9a-f]{32}|sdk-" + _UUID)
_PROVIDER = ascii_pattern(r"crawl|launch.?darkly|(?:api|sdk|secret)[ _-]?key|token|secret|credential")
# What providers that are not listed are likely to use: a short name, perhaps what it is for, and a random body.
_LIKELY = ascii_pattern(
    r"(?<![A-Za-z0-9_-])(?:[a-z0-9]{2,12}_(?:live|test|secret|sk|pat)_(?P<named>[A-Za-z0-9]{24,})"
    r"|(?!sha\d)[a-z][a-z0-9]{1,11}[_-](?:[a-z]{2,8}[_-])?(?P<body>[A-Za-z0-9]{32,})(?:_[A-Za-z0-9]{8,})?)"
)


def _tokens(text: Text) -> Iterator[Span]:
    for begin, end in text.runs:
        for match in _TOKEN.finditer(text.text, begin, end):
            token = match.group().rstrip(".")
            if (
                not is_made_up(token)
                and entropy(token) >= 3.0
                and (token[:3] != "sk-" or is_mixed(token[3:]))
                and (token.startswith("https:") or not is_worded(token))
                and (_SHARED.fullmatch(token) is None or _is_announced(text, match.start()))
            ):
                yield match.start(), match.start() + len(token)
        for match in _LIKELY.finditer(text.text, begin, end):
            body, named = match["body"], match["named"]
            if is_worded(body or named):
                continue
            if is_random(body) or _is_base36(body) if body else is_mixed(named) and not is_made_up(named):
                yield match.span()


def _is_announced(text: Text, at: int) -> bool:
    return _PROVIDER.search(text.lower, max(0, at - 40), at) is not None


def _is_base36(body: str) -> bool:
    """Small letters and figures in no order; hexadecimal ones are as likely the hash of something public."""
    return (
        body.islower()
        and sum(map(str.isdigit, body)) >= 3
        and entropy(body) >= 3.5
        and re.search("[g-z]", body) is not None
    )


_AWS = ascii_pattern(r"\b(?:AKIA|ABIA|ACCA|ASIA)[A-Z0-9]{16}\b")


def _aws_keys(text: Text) -> Iterator[Span]:
    for begin, end in text.runs:
        for match in _AWS.finditer(text.text, begin, end):
            yield match.span()


_JWT = ascii_pattern(r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")


def _jwts(text: Text) -> Iterator[Span]:
    if "eyJ" in text.text:
        for match in _JWT.finditer(text.text):
            yield match.span()


_BEARER = ascii_pattern(
    r"(?:\bbearer|\bauthorization:\s{0,4}(?:token|splunk|apikey|genie-?key|sso-key))\s{1,8}(?P<value>[\w.~+/=-]{12,})",
    re.IGNORECASE,
)
_BASIC = ascii_pattern(r"\bbasic\s{1,8}(?P<value>[A-Za-z0-9+/]{8,}={0,2})", re.IGNORECASE)


def _headers(text: Text) -> Iterator[Span]:
    """What follows `Bearer` or `Basic`, trailing full stops left out."""
    if "bearer" in text.lower or "authorization" in text.lower:
        for match in _BEARER.finditer(text.text):
            value = match["value"].rstrip(".")
            if is_mixed(value) and not is_made_up(value):
                yield match.start("value"), match.start("value") + len(value)
    if "basic" in text.lower:
        for match in _BASIC.finditer(text.text):
            if _is_user_and_password(match["value"]):
                yield span_of(match)


def _is_user_and_password(encoded: str) -> bool:
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return ":" in decoded and decoded.isprintable()


_URL = ascii_pattern(
    r"\b[a-z][a-z0-9+.-]{1,30}://[^\s:/@]{0,80}:(?P<value>[^\s/\"'<>]{2,200})@[\w.\[-]", re.IGNORECASE
)
_SIGNED_URL = ascii_pattern(
    r"[?&](?:sig|signature|access_token|auth_token|api_?key|token|key|secret"
    r"|code)=(?P<value>[\w%.~+/-]{16,}=*)",
    re.IGNORECASE,
)


def _urls(text: Text) -> Iterator[Span]:
    if "://" not in text.text:
        return
    for match in _URL.finditer(text.text):
        value = match["value"]
        if not is_placeholder(value) and value.lower() not in (
            "password",
            "passwd",
            "pass",
            "pwd",
            "pw",
            "secret",
        ):
            yield span_of(match)
    for match in _SIGNED_URL.finditer(text.text):
        if is_mixed(match["value"]) and not is_made_up(match["value"]):
            yield span_of(match)


RULES = (
    Rule("private_key", Action.BLOCK, _private_keys),
    Rule("aws_key", Action.BLOCK, _aws_keys),
    Rule("jwt", Action.BLOCK, _jwts),
    Rule("api_token", Action.BLOCK, _tokens),
    Rule("bearer_token", Action.BLOCK, _headers),
    Rule("connection_string", Action.BLOCK, _urls),
)
