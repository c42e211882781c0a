"""What is blocked, what is masked, and what is left alone. Secrets are made here, so that none stands in the file."""

import random
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoria.errors import Blocked
from memoria.redaction import LABELS, Action, clean, clean_json, refuse_secrets, scrub
from tests.unit import redaction_cases as cases
from tests.unit.redaction_cases import Case

dice = random.Random(7)
MIXED = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def some(alphabet: str, length: int) -> str:
    """Random characters, at least one digit and both cases where the alphabet has them."""
    while True:
        text = "".join(dice.choices(alphabet, k=length))
        wanted = [kind for kind in (str.isdigit, str.isupper, str.islower) if any(map(kind, alphabet))]
        if all(any(kind(c) for c in text) for kind in wanted):
            return text


def with_check_digit(digits: str) -> str:
    for last in string.digits:
        doubled = (int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits + last)))
        if sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0:
            return digits + last
    raise AssertionError


def iban(country: str, account: str) -> str:
    number = "".join(str(int(c, 36)) for c in account + country + "00")
    return f"{country}{98 - int(number) % 97:02d}{account}"


def national_id(first: str) -> str:
    return first + "10X98765432"[sum(int(d) * (2 ** (17 - i) % 11) for i, d in enumerate(first)) % 11]


FRAMES = (
    "{}",
    "Use {} for the deploy.",
    "the value in .env is {} since Monday",
    "部署时用 {} 这个值",
    "用{}部署",
    '{{"config": "{}"}}',
)
TOKENS = {
    "aws_key": ["AKIA" + some(string.ascii_uppercase + string.digits, 16), "ASIA" + "B7" * 8],
    "private_key": [
        f"-----BEGIN {kind}PRIVATE KEY-----" for kind in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
    ]
    + ["-----BEGIN PGP PRIVATE KEY BLOCK-----"],
    "api_token": [
        *(f"gh{kind}_" + some(MIXED, 36) for kind in "opsru"),
        "github_pat_" + some(MIXED, 40),
        "glpat-" + some(MIXED, 20),
        *(f"xox{kind}-" + some(string.digits, 12) + "-" + some(MIXED, 24) for kind in "bpas"),
        "AIza" + some(MIXED, 35),
        *(f"{kind}_live_" + some(MIXED, 24) for kind in ("sk", "rk", "pk")),
        "SG." + some(MIXED, 22) + "." + some(MIXED, 43),
        "npm_" + some(MIXED, 36),
        "hf_" + some(MIXED, 34),
        "sk-" + some(MIXED, 48),
        "sk-proj-" + some(MIXED, 40),
        "sk-ant-" + some(MIXED, 40),
        some(string.digits, 9) + ":AA" + some(MIXED, 33),
        "shpat_" + some(HEX, 32),
        "hf_" + "uHlQVsOQqwLsbKRfRGnKoBpVQjLqSjAlex",
        "GOCSPX-" + some(MIXED, 28),
        "dckr_pat_" + some(MIXED, 27),
        "gsk_" + some(MIXED, 52),
        "ATATT3x" + some(MIXED, 60),
        "figd_" + some(MIXED, 40),
        "whsec_" + some(MIXED, 32),
        "secret_" + some(MIXED, 43),
        "hvs." + some(MIXED, 24),
        f"https://{some(HEX, 32)}@o1.ingest.example.io/2",
    ],
    "jwt": [".".join(("eyJ" + some(MIXED, 20), "eyJ" + some(MIXED, 30), some(MIXED, 43))) for _ in range(2)],
    "bearer_token": ["Bearer " + some(MIXED, 32), "bearer " + some(MIXED, 20) + "=="],
    "connection_string": [
        f"{scheme}://app:{some(MIXED, 10)}@db.internal:5432/main"
        for scheme in ("postgres", "postgresql+asyncpg", "mysql", "redis", "amqp", "mongodb+srv", "https")
    ],
}
ASSIGNED = [
    "password = hunter2",
    "password: hunter2!",
    "Password is Tr0ub4dor&3",
    "the password was changed to Spr1ng2026",
    "passwd=letmein",
    "DB_PASSWORD=correcthorse",
    "pwd: a1b2c3d4",
    "api_key = 9f8e7d6c5b4a",
    "API key: zX81-kk92-pq",
    "client_secret=abcDEF123",
    "access token is 7d9f-22ab-1c",
    "auth-token: q1w2e3r4t5".replace("-", "_"),
    '"password": "s3cr3t-v4lue"',
    "passphrase: battery9staple",
    "secret: 4f5g6h7j",
    "aws_secret_access_key = " + some(MIXED, 40),
    "SECRET_KEY='" + some(MIXED, 40) + "'",
    "The root password for db1 is lqBo7lsZm",
    "password for the staging portal: a1b2c3d4",
    "the wifi password is YLvSyuXKgn",
    "wifi密码是QnKhJfBz",
    "token=" + some(HEX, 40),
    "use the API key " + some(HEX, 32) + " for weather",
    "PRIVATE-TOKEN: " + some(MIXED, 20),
    "密码是 abc12345",
    "密码：Qwer1234",
    "口令为zz99xx88",
    "密钥: k8Jd92Lm",
    "AWS secret key " + some(MIXED, 40),
    "encryption key material " + some(MIXED, 44) + "=",
]


def blocked_cases():
    for label, examples in TOKENS.items():
        for example in examples:
            for frame in FRAMES:
                yield pytest.param(frame.format(example), label, id=f"{label}-{len(frame)}-{len(example)}")
    for text in ASSIGNED:
        yield pytest.param(text, None, id=text[:24])


MASKED = [
    *(f"{name}@{host}" for name in ("ada", "a.b+c", "x_y") for host in ("example.org", "mail.example.co.uk", "b.io")),
    "+49 30 901820", "+1 (212) 555-0187", "+86 138 1234 5678", "13812345678", "138-1234-5678", "212-555-0187",
    "(415) 555-2671", "+442079460958",
    *(with_check_digit(f"4{some(string.digits, 14)}") for _ in range(3)),
    " ".join(with_check_digit("510510510510510")[at : at + 4] for at in range(0, 16, 4)),
    with_check_digit("37144963539843"),
    iban("DE", "370400440532013000"), iban("GB", "WEST12345698765432"), "123-45-6789", "078-05-1120",
    national_id("11010519491231002"), national_id("44030719900101123"),
]  # fmt: skip

# Each frame with each filling: what people and agents write about these things without giving any away.
ORDINARY_FRAMES = (
    "{}", "Remember that {}.", "The user said: {}", "记住：{}", "- {} (see the wiki)",
)  # fmt: skip
ORDINARY = [
    "she is the bearer of bad news", "bearer shares were abolished", "the secret: none of us knew",
    "secret is that the dough rests overnight", "password: see the vault", "the password is required for login",
    "passwords are rotated every 90 days", "password = None", "password=${DB_PASSWORD}", "password: <your password>",
    "password reset is broken on mobile", "api_key: required", "API keys are stored in Vault",
    "the API key is missing",
    "token expires in 3600s", "token bucket of size 100", "access token is invalid",
    "client_secret = os.environ['S']",
    "password = get_password(user)", "密码是必填项", "密码为空时报错", "密钥轮换周期 90 天",
    "the password for the portal is 12 characters long", "the password for db1 is rotated weekly",
    "the password of the account is kept by Anna", "password manager is LastPass", "the secret key is rotated daily",
    "the cache key is a hash of the query", "commit 3f786850e387550fdab836ed7e6dc881de23001b renews the token",
    "access key rotation is due on 2024-05-01", "credentials for the demo are on page 12",
    "minimum password: 12-character limit", "order 4111111111111112 shipped", "order number 13812345678",
    "timestamp 1700000000000", "at 2024-01-15 10:30:00.123456", "version 1.2.3 to 10.20.30", "2024.10.15.1",
    "ISBN 978-3-16-148410-0", "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "react@18.2.0 and vue@3.4", "git@github.com:team/repo.git", "ping 192.168.100.12 and 10.0.0.1",
    "postgres://user:password@localhost/db", "https://example.org:8443/a/b?c=d", "mysql://localhost:3306/memoria",
    "call extension 4021", "room 212-555", "flight LH 4021 on 12-05-2024", "it costs 1,299.00 EUR",
    "coordinates 52.5200, 13.4050", "17 million rows in 3,600 seconds", "@ada reviews, @ben merges",
    "sk-learn is spelled scikit-learn", "task-management-system-with-a-long-name", "eyJ is how such tokens begin",
    "AKIA is the prefix of AWS key ids", "phone number is unknown", "e-mail her tomorrow",
    "card ending in 4242", "the private key never leaves the HSM", "BEGIN PRIVATE KEY is the header",
    "build 20241105123456", "serial 9780201379624", "DE is not an IBAN", "ssn is asked for in the US only",
    "password = request.form['password']", "password = data.get('password')", "password=hashed_password)",
    'hashed_password = generate_password_hash(password, method="sha256")', "password = db.Column(db.String(120))",
    '{"error": "Username and password are required"}), 400', "access_token=access_token", "password: newpassword,",
    "access_token = create_access_token(identity=user.id)", "user.password_hash == password:",
    "xoxb-your-slack-token",
    'curl -d "username=testuser&password=testpass"', "Hashed password: pbkdf2:sha256:260000$zL6yRjZtQ5vGKwFf$5b7c7b",
]  # fmt: skip


BLOCKED = list(blocked_cases())
LET_THROUGH = [frame.format(text) for text in ORDINARY for frame in ORDINARY_FRAMES]


SECRETS = [*cases.SECRETS, *cases.LATER_SECRETS, *cases.SCANNED_SECRETS, *cases.THROWN_SECRETS]
PROSE = [*cases.ORDINARY, *cases.LATER_ORDINARY, *cases.LOOKALIKES]
MASK_ALL = dict.fromkeys(LABELS, Action.MASK)


def test_there_are_enough_different_cases():
    assert len({case.template for case in SECRETS}) >= 200
    assert len(set(PROSE)) >= 200


@pytest.mark.parametrize("case", SECRETS, ids=lambda case: case.template[:40])
def test_a_secret_is_blocked_and_never_repeated(case: Case):
    with pytest.raises(Blocked, match="contains sensitive content") as error:
        clean(case.text)
    assert case.secret not in str(error.value)


@pytest.mark.parametrize("case", SECRETS, ids=lambda case: case.template[:40])
def test_exactly_the_secret_is_masked(case: Case):
    before, _, after = case.template.partition("{}")
    cleaned = clean(case.text, MASK_ALL)
    assert re.fullmatch(re.escape(before) + r"\[\w+\]" + re.escape(after), cleaned.text), cleaned.text
    assert len(cleaned.masked) == 1


@pytest.mark.parametrize("text", PROSE, ids=lambda text: text[:40])
def test_what_only_talks_about_secrets_is_left_alone(text: str):
    assert clean(text).text == text


def test_several_secrets_in_one_text_are_all_masked():
    some_cases = [case for case in SECRETS if "\n" not in case.text][::9]
    cleaned = scrub("\n".join(case.text for case in some_cases))
    assert not [case for case in some_cases if case.secret in cleaned]
    assert clean(cleaned).text == cleaned


@pytest.mark.parametrize(("text", "label"), BLOCKED)
def test_secrets_are_blocked_by_kind_and_never_repeated(text, label):
    with pytest.raises(Blocked, match=f"contains sensitive content \\({label or '.*'}\\)") as error:
        clean(text)
    assert not any(word in str(error.value) for word in text.split() if len(word) > 12)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("text", MASKED)
def test_personal_data_is_masked(text, frame):
    cleaned = clean(frame.format(text))
    assert len(cleaned.masked) == 1
    assert text not in cleaned.text
    assert cleaned.text.startswith(frame.format("\0").split("\0")[0])


@pytest.mark.parametrize("text", LET_THROUGH)
def test_ordinary_text_is_left_alone(text):
    assert clean(text).text == text


def test_metadata_is_searched_too_and_a_key_names_its_value():
    value, masked = clean_json({"who": ["ada@example.org", 7, None], "deep": {"note": "call 212-555-0187"}})
    assert value == {"who": ["[email]", 7, None], "deep": {"note": "call [phone]"}}
    assert masked == ("email", "phone")
    with pytest.raises(Blocked):
        clean_json({"db": {"password": "hunter2!x"}})
    assert clean_json({"password": "required"}) == ({"password": "required"}, ())


@pytest.mark.parametrize(
    "value",
    [
        {"password": {"value": "hunter2!x"}},
        {"db": {"passwords": ["hunter2!x"]}},
        {"password": {"prod": "hunter2!x"}},
        {"env": [{"name": "DB_PASSWORD", "value": "hunter2!x"}]},
        {"password": 48211903},
        {"pin_code": 4821},
        {"密码": "abc12345"},
        {"dbPassword": "sunflower"},
        {"password: hunter2!x": 1},
        {"pass_phrase": {"passphrase": "seven purple ladders dance"}},
    ],
)
def test_secrets_in_nested_fields_numbers_and_keys_are_blocked(value):
    with pytest.raises(Blocked, match="password_assign"):
        clean_json(value)


@pytest.mark.parametrize(
    "value",
    [
        {"password": {"min_length": 12, "policy": "rotate90", "stored_in": "vault-7"}},
        {"password": None, "pin": True, "token_count": 128000, "score": 0.75},
        {"name": "DB_HOST", "value": "db-2024-x1"},
        {"key": "user:42", "cache_key": "3f786850e387550fdab836ed7e6dc881de23001b"},
        {"order": 20240515123456, "seen": [1700000000000]},
    ],
)
def test_fields_that_hold_no_secret_are_left_alone(value):
    assert clean_json(value) == (value, ())


def test_personal_data_in_numbers_and_keys_is_masked_and_no_field_is_lost():
    card = int(with_check_digit("411111111111111"))
    value, masked = clean_json({"card": card, "ada@example.org": 1, "ben@example.org": 2})
    assert value == {"card": "[card]", "[email]": 1, "[email] 2": 2}
    assert masked == ("credit_card", "email")


def test_what_must_not_fail_is_masked_and_names_are_refused_for_secrets_only():
    assert (
        scrub("topic: password = hunter2, ada@example.org") == "topic: password = [password_assign], [email]"
    )
    assert scrub("ada@example.org", {"email": Action.ALLOW}) == "ada@example.org"
    refuse_secrets("customer ada@example.org")
    with pytest.raises(Blocked):
        refuse_secrets("password=hunter2x")


def test_the_operator_decides_per_kind():
    assert clean("ada@example.org", {"email": Action.ALLOW}).text == "ada@example.org"
    with pytest.raises(Blocked, match="email"):
        clean("ada@example.org", {"email": Action.BLOCK})
    assert (
        clean("password = hunter2", {"password_assign": Action.MASK}).text == "password = [password_assign]"
    )
    assert "email" in LABELS


@given(st.text(max_size=300))
def test_any_text_is_cleaned_once_and_for_all(text):
    try:
        once = clean(text)
    except Blocked:
        return
    assert clean(clean(once.text).text).text == clean(once.text).text
