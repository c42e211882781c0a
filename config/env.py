"""Readers for settings that have a rule. Pure functions of text; only config/settings reads the environment."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from memoria.redaction import LABELS, Action, Policy

BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
SERVER_NAME = re.compile(r"\A[a-z0-9][a-z0-9_-]{0,31}\Z")
# Query parameters of a database URL that we pass on; anything else is a typing error we refuse to ignore.
MYSQL_OPTIONS = {
    "unix_socket",
    "connect_timeout",
    "read_timeout",
    "write_timeout",
    "ssl_ca",
    "ssl_cert",
    "ssl_key",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A parsed database URL. The password stays out of repr, logs and tracebacks."""

    engine: str
    name: str
    host: str = ""
    port: int = 3306
    user: str = ""
    password: str = field(default="", repr=False)
    options: dict[str, Any] = field(default_factory=dict)


def boolean(name: str, value: str) -> bool:
    """Read 1/true/yes/on or 0/false/no/off; anything else stops the start."""
    try:
        return BOOLEANS[value.strip().lower()]
    except KeyError:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(BOOLEANS)}, not {value!r}") from None


def bounded(name: str, value: str, low: float, high: float) -> float:
    """Read a number within [low, high]."""
    try:
        number = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}") from None
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name} must lie between {low:g} and {high:g}, not {number:g}")
    return number


def rate_limit(name: str, value: str) -> tuple[int, int]:
    """Read "<requests>,<seconds>"; both are clamped as the earlier server did (100,000 and 86,400)."""
    parts = value.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise ImproperlyConfigured(f"{name} must look like 1000,60 (requests, seconds), not {value!r}")
    requests, seconds = (int(part) for part in parts)
    return min(max(requests, 1), 100_000), min(max(seconds, 1), 86_400)


def redis_url(name: str, value: str) -> str:
    """Check redis://:<password>@<host>:<port>/<number> or unix://<path>. Errors never repeat the URL."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        readable = parts.scheme == "unix" or (parts.scheme in ("redis", "rediss") and (parts.port or 0) >= 0)
    except ValueError:
        readable = False
    if not readable or "@" in parts.path + parts.fragment:
        raise ImproperlyConfigured(
            f"{name} must look like redis://:password@host:6379/0, the password percent-encoded, or unix:///path"
        )
    return value


def redaction(name: str, value: str) -> Policy:
    """Read "email=allow,phone=block": what happens to a kind of secret or personal data, where not the usual."""
    policy: dict[str, Action] = {}
    for part in filter(None, map(str.strip, value.split(","))):
        label, _, action = map(str.strip, part.partition("="))
        if label not in LABELS or action not in list(Action):
            raise ImproperlyConfigured(
                f"{name} must look like email=allow,phone=block; kinds: {', '.join(LABELS)};"
                f" actions: {', '.join(Action)}"
            )
        policy[label] = Action(action)
    return policy


def secret(name: str, environ: dict[str, str]) -> str:
    """Read a secret from `name`, or from the file that `name`_FILE points to."""
    if path := environ.get(f"{name}_FILE", "").strip():
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error.strerror}") from None
    return environ.get(name, "").strip()


def database(name: str, url: str) -> Database:
    """Read sqlite:///<path> or mysql://<user>:<password>@<host>:<port>/<name>?<options>.

    User and password are percent-decoded; a password may hold a bare "@". Errors never repeat the URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ImproperlyConfigured(f"{name} must be a URL such as mysql://user:password@host:3306/memoria")
    if scheme == "sqlite":
        path = unquote(rest.removeprefix("/"))
        if not path:
            raise ImproperlyConfigured(f"{name} names no file: sqlite:///<path>")
        return Database("sqlite", path)
    if scheme not in ("mysql", "mariadb"):
        raise ImproperlyConfigured(f"{name} must start with sqlite:// or mysql://")
    credentials, at, location = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    try:
        parts = urlsplit(f"//{location}")
        host, port = parts.hostname or "localhost", parts.port or 3306
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} has no readable host and port; percent-encode /, ?, # and % in the password"
        ) from None
    if at and not user:
        raise ImproperlyConfigured(f"{name} has a password but no user")
    options: dict[str, Any] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(options) - MYSQL_OPTIONS):
        raise ImproperlyConfigured(f"{name} has unknown options {unknown}; known are {sorted(MYSQL_OPTIONS)}")
    name_there = unquote(parts.path.lstrip("/"))
    return Database(
        "mysql", name_there, host, port, unquote(user), unquote(password), _driver_options(name, options)
    )


def _driver_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The query parameters as mysqlclient takes them: numbers of seconds, and what is about TLS together."""
    found: dict[str, Any] = {}
    for option, value in options.items():
        if option.startswith("ssl_"):
            found.setdefault("ssl", {})[option.removeprefix("ssl_")] = value
        elif option.endswith("_timeout"):
            if not value.isdigit():
                raise ImproperlyConfigured(
                    f"{name}: {option} must be a whole number of seconds, not {value!r}"
                )
            found[option] = int(value)
        else:
            found[option] = value
    return found


def user_servers(name: str, value: str) -> dict[str, Database]:
    """Read "a=mysql://…,b=mysql://…" into servers by name; the order is the order of placement among equals."""
    servers: dict[str, Database] = {}
    for item in filter(None, (part.strip() for part in value.split(","))):
        label, separator, url = item.partition("=")
        if not separator or not SERVER_NAME.match(label):
            raise ImproperlyConfigured(f"{name} must look like a=mysql://…,b=mysql://… with lower-case names")
        if label in servers:
            raise ImproperlyConfigured(f"{name} names the server {label!r} twice")
        servers[label] = database(f"{name} ({label})", url)
    return servers
