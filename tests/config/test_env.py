"""Settings are read strictly, and a bad one stops the start without showing a secret."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from config import env


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), (" TRUE ", True), ("on", True), ("0", False), ("No", False)]
)
def test_booleans(text, value):
    assert env.boolean("X", text) is value


@pytest.mark.parametrize("text", ["", "maybe", "2", "truee"])
def test_unknown_booleans_stop_the_start(text):
    with pytest.raises(ImproperlyConfigured, match="X must be one of"):
        env.boolean("X", text)


@pytest.mark.parametrize("text", ["", "x", "0", "11", "nan"])
def test_numbers_out_of_range_stop_the_start(text):
    with pytest.raises(ImproperlyConfigured, match="X must"):
        env.bounded("X", text, 1, 10)


def test_rate_limits_are_clamped_and_checked():
    assert env.rate_limit("X", "1000,60") == (1000, 60)
    assert env.rate_limit("X", " 9999999 , 0 ") == (100_000, 1)
    for text in ("", "5", "a,b", "1,2,3", "-1,5"):
        with pytest.raises(ImproperlyConfigured, match="1000,60"):
            env.rate_limit("X", text)


def test_the_policy_on_secrets_is_read_by_kind():
    assert env.redaction("X", "") == {}
    assert env.redaction("X", "email=allow, phone = block") == {"email": "allow", "phone": "block"}
    for text in ("email", "email=maybe", "mail=allow", "=allow"):
        with pytest.raises(ImproperlyConfigured, match="email=allow"):
            env.redaction("X", text)


def test_a_secret_may_come_from_a_file(tmp_path):
    file = tmp_path / "secret"
    file.write_text("from file\n")
    assert env.secret("KEY", {"KEY": "plain"}) == "plain"
    assert env.secret("KEY", {"KEY": "plain", "KEY_FILE": str(file)}) == "from file"
    assert env.secret("KEY", {}) == ""
    with pytest.raises(ImproperlyConfigured, match="KEY_FILE cannot be read"):
        env.secret("KEY", {"KEY_FILE": str(tmp_path / "missing")})


def test_a_mysql_url():
    found = env.database(
        "X", "mysql://memoria:p%40ss%3Aw%2Fo%3Frd%23%2540@db.example:3307/mem?unix_socket=/run/m.s"
    )
    assert (found.engine, found.host, found.port, found.name) == ("mysql", "db.example", 3307, "mem")
    assert (found.user, found.password) == ("memoria", "p@ss:w/o?rd#%40")
    assert found.options == {"unix_socket": "/run/m.s"}


def test_options_of_a_database_are_what_the_driver_takes():
    found = env.database("X", "mysql://m@h/mem?connect_timeout=5&ssl_ca=/etc/ca.pem&ssl_key=/etc/k.pem")
    assert found.options == {"connect_timeout": 5, "ssl": {"ca": "/etc/ca.pem", "key": "/etc/k.pem"}}
    with pytest.raises(ImproperlyConfigured, match="whole number of seconds"):
        env.database("X", "mysql://m@h/mem?read_timeout=soon")
    assert "p@ss" not in repr(found)


def test_a_bare_at_sign_in_the_password_is_understood():
    assert env.database("X", "mysql://u:p@ss@h/d").password == "p@ss"


def test_sqlite_urls():
    assert env.database("X", "sqlite:////data/control.sqlite3").name == "/data/control.sqlite3"
    assert env.database("X", "sqlite:///relative.db").name == "relative.db"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "postgres://u:secret@h/d",
        "mysql://:secret@h/d",
        "mysql://u:secret@h:port/d",
        "mysql://u:secret@h/d?sslmode=on",
        "mysql://u:sec/ret@h:x/d",
        "sqlite://",
    ],
)
def test_bad_urls_stop_the_start_and_do_not_show_the_password(url):
    with pytest.raises(ImproperlyConfigured) as caught:
        env.database("MEMORIA_DATABASE_URL", url)
    assert "MEMORIA_DATABASE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "sec/ret" not in str(caught.value)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_percent_encoded_password_comes_back(password):
    from urllib.parse import quote

    assert env.database("X", f"mysql://u:{quote(password, safe='')}@h:1/d").password == password


def test_user_servers():
    servers = env.user_servers("X", "a=mysql://u:p@h1, b=mysql://u:p%2C@h2:3307")
    assert list(servers) == ["a", "b"]
    assert (servers["b"].host, servers["b"].port, servers["b"].password) == ("h2", 3307, "p,")
    assert env.user_servers("X", "") == {}
    for text in ("mysql://h", "A=mysql://h", "a=mysql://h,a=mysql://g", "a=ftp://h"):
        with pytest.raises(ImproperlyConfigured):
            env.user_servers("X", text)
