"""Settings of the test suite: the deterministic embedder, cheap passwords, and files that need not survive."""

from config.settings.base import *  # noqa: F403
from config.settings.base import DATABASES, MEMORIA_DATA_DIR, MEMORIA_USER_SERVERS, SQLITE_OPTIONS

MEMORIA_EMBEDDING_PROVIDER = "hash"
MEMORIA_RATE_LIMIT = (100_000, 60)
MEMORIA_LEASE_SECONDS = 2.0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_USE_FINDERS = False
LOGGING = {"level": "WARNING", "format": "text"}

SQLITE_OPTIONS["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA busy_timeout=20000"
for _entry in (*DATABASES.values(), *MEMORIA_USER_SERVERS.values()):
    if _entry["ENGINE"].endswith("sqlite3"):
        _entry["OPTIONS"] = dict(SQLITE_OPTIONS)
        # In memory, threads would share one connection's cache and lock each other out of tables.
        _entry["TEST"] = {"NAME": str(MEMORIA_DATA_DIR / "control-test.sqlite3")}
