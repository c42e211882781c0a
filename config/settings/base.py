"""Settings of the embedded server, and the base of the others. Reads the environment once; nothing else does."""

import contextlib
import os
import secrets
import uuid
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from config import env as parse

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def read(*names: str, default: str = "") -> str:
    """The first of these variables that is set and not blank: our own name first, then the one clients know."""
    return next((value for name in names if (value := env.str(name, default="").strip()) != ""), default)


def read_secret(*names: str) -> str:
    return next((value for name in names if (value := parse.secret(name, dict(os.environ))) != ""), "")


def number(*names: str, default: float, low: float, high: float) -> float:
    return parse.bounded(names[0], read(*names, default=str(default)), low, high)


def flag(*names: str, default: bool) -> bool:
    return parse.boolean(names[0], read(*names, default=str(default)))


def kept_secret(path: Path) -> str:
    """A random secret that is made once and kept in a file only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        whole = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):  # another process was faster: its secret is everybody's
            os.link(whole, path)
        whole.unlink()
    if not (value := path.read_text().strip()):
        raise ImproperlyConfigured(f"{path} is empty: delete it, and a new secret is made at the next start")
    return value


# --- Where data lives ---

MEMORIA_DATA_DIR = Path(read("MEMORIA_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
_url = read(
    "MEMORIA_DATABASE_URL", "DATABASE_URL", default=f"sqlite:///{MEMORIA_DATA_DIR / 'control.sqlite3'}"
)
MEMORIA_CONTROL_DATABASE = parse.database("MEMORIA_DATABASE_URL", _url)
if MEMORIA_CONTROL_DATABASE.engine == "mysql" and not MEMORIA_CONTROL_DATABASE.name:
    raise ImproperlyConfigured(
        "MEMORIA_DATABASE_URL names no database: mysql://user:password@host:3306/memoria"
    )

# A SQLite place for user databases is a folder; unset means: beside the control plane.
_beside = MEMORIA_CONTROL_DATABASE
if _beside.engine == "sqlite":
    _beside = parse.Database("sqlite", str(MEMORIA_DATA_DIR))
_user_servers = parse.user_servers("MEMORIA_USER_SERVERS", read("MEMORIA_USER_SERVERS")) or {"local": _beside}

# Open connections (MySQL protocol) or open files (SQLite) per user server and process; the bound is exact.
MEMORIA_USER_CONNECTIONS = int(
    number(
        "MEMORIA_USER_CONNECTIONS",
        default=64 if all(place.engine == "sqlite" for place in _user_servers.values()) else 8,
        low=2,
        high=2048,
    )
)
MEMORIA_USER_CONNECTION_WAIT_SECONDS = number(
    "MEMORIA_USER_CONNECTION_WAIT_SECONDS", default=5, low=0.01, high=120
)
# A builder that shows no sign of life for this long is replaced by the next request.
MEMORIA_LEASE_SECONDS = number("MEMORIA_LEASE_SECONDS", default=10, low=1, high=600)

SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=10000",
}
MYSQL_OPTIONS: dict[str, Any] = {"charset": "utf8mb4", "isolation_level": "read committed"}


def django_database(database: parse.Database) -> dict[str, Any]:
    """Spell a parsed URL as an entry of DATABASES."""
    if database.engine == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": database.name,
            "CONN_MAX_AGE": 600,  # opening the file takes longer than what a request asks of it
            "OPTIONS": dict(SQLITE_OPTIONS),
        }
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": database.name,
        "HOST": database.host,
        "PORT": database.port,
        "USER": database.user,
        "PASSWORD": database.password,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**MYSQL_OPTIONS, **database.options},
    }


DATABASES = {"default": django_database(MEMORIA_CONTROL_DATABASE)}
MEMORIA_USER_SERVERS = {name: django_database(place) for name, place in _user_servers.items()}
DATABASE_ROUTERS = ["apps.tenancy.router.PlaneRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Who may call ---

MEMORIA_OPEN_MODE = flag("MEMORIA_OPEN_MODE", default=False)
MEMORIA_MASTER_KEY = read_secret("MEMORIA_MASTER_KEY", "MASTER_KEY")
MEMORIA_MASTER_KEY_FILE = None
if MEMORIA_OPEN_MODE and MEMORIA_MASTER_KEY:
    raise ImproperlyConfigured(
        "MEMORIA_OPEN_MODE lets everybody in as an administrator; unset it or the master key"
    )
if not MEMORIA_MASTER_KEY and not MEMORIA_OPEN_MODE:
    MEMORIA_MASTER_KEY_FILE = MEMORIA_DATA_DIR / "master_key"
    MEMORIA_MASTER_KEY = kept_secret(MEMORIA_MASTER_KEY_FILE)
MEMORIA_RATE_LIMIT = parse.rate_limit(
    "MEMORIA_RATE_LIMIT_AUTH_KEYS", read("MEMORIA_RATE_LIMIT_AUTH_KEYS", default="1000,60")
)
SECRET_KEY = read_secret("MEMORIA_SECRET_KEY") or kept_secret(MEMORIA_DATA_DIR / "secret_key")
ALLOWED_HOSTS = read("MEMORIA_ALLOWED_HOSTS", default="*").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in read("MEMORIA_TRUSTED_ORIGINS").split(",") if origin]

# --- Embedding ---

MEMORIA_EMBEDDING_MODEL = read("MEMORIA_EMBEDDING_MODEL", "EMBEDDING_MODEL")
MEMORIA_EMBEDDING_DIM = int(number("MEMORIA_EMBEDDING_DIM", "EMBEDDING_DIM", default=0, low=0, high=65_536))
MEMORIA_EMBEDDING_BASE_URL = read("MEMORIA_EMBEDDING_BASE_URL", "EMBEDDING_BASE_URL")
MEMORIA_EMBEDDING_API_KEY = read_secret("MEMORIA_EMBEDDING_API_KEY", "EMBEDDING_API_KEY")
MEMORIA_EMBEDDING_ENDPOINTS = read("MEMORIA_EMBEDDING_ENDPOINTS", "EMBEDDING_ENDPOINTS")
MEMORIA_EMBEDDING_PROVIDER = read(
    "MEMORIA_EMBEDDING_PROVIDER",
    "EMBEDDING_PROVIDER",
    default="openai" if MEMORIA_EMBEDDING_BASE_URL or MEMORIA_EMBEDDING_ENDPOINTS else "local",
)
MEMORIA_EMBEDDING_TIMEOUT_SECONDS = number("MEMORIA_EMBEDDING_TIMEOUT_SECONDS", default=10, low=0.1, high=120)
# Somebody waits for a query's vector: without it words and entities answer.
MEMORIA_EMBEDDING_QUERY_TIMEOUT_SECONDS = number(
    "MEMORIA_EMBEDDING_QUERY_TIMEOUT_SECONDS", default=1.5, low=0.05, high=120
)

# --- Reranking: without an endpoint the ranking's own order stands ---

MEMORIA_RERANKER_URL = read("MEMORIA_RERANKER_URL")
MEMORIA_RERANKER_MODEL = read("MEMORIA_RERANKER_MODEL")
MEMORIA_RERANKER_API_KEY = read_secret("MEMORIA_RERANKER_API_KEY")
MEMORIA_RERANKER_TIMEOUT_SECONDS = number("MEMORIA_RERANKER_TIMEOUT_SECONDS", default=2, low=0.05, high=60)

# Memory per process for the arrays that retrieval works on, over all users; a user who does not fit alone is searched
# in the database.
MEMORIA_CORPUS_MEGABYTES = number("MEMORIA_CORPUS_MEGABYTES", default=512, low=1, high=1_000_000)

# --- An earlier server's shared database, for `manage.py migrate_legacy` and the workers that help it ---

MEMORIA_LEGACY_URL = read_secret("MEMORIA_LEGACY_URL")

# --- Language model: without a key everything works that needs none ---

MEMORIA_LLM_API_KEY = read_secret("MEMORIA_LLM_API_KEY", "LLM_API_KEY")
MEMORIA_LLM_BASE_URL = read("MEMORIA_LLM_BASE_URL", "LLM_BASE_URL", default="https://api.openai.com/v1")
MEMORIA_LLM_MODEL = read("MEMORIA_LLM_MODEL", "LLM_MODEL", default="gpt-4o-mini")
MEMORIA_LLM_TIMEOUT_SECONDS = number("MEMORIA_LLM_TIMEOUT_SECONDS", default=60, low=0.1, high=600)

# --- Secrets and personal data ---

MEMORIA_REDACTION = parse.redaction("MEMORIA_REDACTION", read("MEMORIA_REDACTION"))

# --- History ---

# Every moment of this many days can be read and returned to; older ones only where a snapshot or a branch needs them.
MEMORIA_HISTORY_DAYS = number("MEMORIA_HISTORY_DAYS", default=30, low=1 / 48, high=36_500)

# --- Processes ---

MEMORIA_REDIS_URL = parse.redis_url("MEMORIA_REDIS_URL", read_secret("MEMORIA_REDIS_URL"))
MEMORIA_INSTANCE_ID = f"{read('MEMORIA_INSTANCE_ID', default=uuid.uuid4().hex)}-{os.getpid()}"
MEMORIA_HOST = read("MEMORIA_HOST", "HOST", default="127.0.0.1")
MEMORIA_PORT = int(number("MEMORIA_PORT", "PORT", default=8100, low=1, high=65_535))
MEMORIA_WORKERS = int(number("MEMORIA_WORKERS", default=min(4, os.cpu_count() or 1), low=1, high=64))
MEMORIA_THREADS = int(number("MEMORIA_THREADS", default=16, low=1, high=512))
# Set by the server for its processes: where they tell each other how many requests they have.
MEMORIA_SHARED_REQUESTS = read("MEMORIA_SHARED_REQUESTS")
MEMORIA_LOG_LEVEL = read("MEMORIA_LOG_LEVEL", default="INFO").upper()
MEMORIA_LOG_FORMAT = read("MEMORIA_LOG_FORMAT", default="text")

# --- Background work ---

CELERY_BROKER_URL = MEMORIA_REDIS_URL.replace("unix://", "redis+socket://", 1) or "filesystem://"
if MEMORIA_REDIS_URL:
    # A task whose worker died is handed out again after this long.
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"visibility_timeout": 900}
else:
    _queue = MEMORIA_DATA_DIR / "queue"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "control_folder": str(_queue / "control"),
        "polling_interval": 0.05,
    }
    for _folder in ("messages", "control"):
        (_queue / _folder).mkdir(parents=True, exist_ok=True)
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(MEMORIA_DATA_DIR / "queue-beat")
# Beat only knocks; what is due stands in the control plane, so that a restart forgets nothing.
CELERY_BEAT_SCHEDULE = {"due": {"task": "jobs.start_due", "schedule": 10.0, "options": {"expires": 9.0}}}
# What runs by itself, and how many seconds apart; `disable` as a value switches one off.
MEMORIA_SCHEDULES = {
    "memories.reembed_all": number("MEMORIA_REEMBED_SECONDS", default=60, low=1, high=31_536_000),
    "governance.count_hygiene_all": number("MEMORIA_HYGIENE_SECONDS", default=3600, low=60, high=31_536_000),
    "versioning.collect_all": number("MEMORIA_COLLECT_SECONDS", default=86_400, low=60, high=31_536_000),
}

# Whether the server does it itself, in a thread beside the requests; with Redis workers are expected to.
MEMORIA_TEND = flag("MEMORIA_TEND", default=not MEMORIA_REDIS_URL)

# --- Django ---

DEBUG = False
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
APPEND_SLASH = False  # clients rely on 404 for a trailing slash
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "apps.tenancy",
    "apps.accounts",
    "apps.jobs",
    "apps.graph",
    "apps.memories",
    "apps.versioning",
    "apps.feedback",
    "apps.governance",
    "apps.legacy",
    "apps.rest",
]

MIDDLEWARE = [
    "apps.rest.middleware.RequestLog",
    "apps.rest.middleware.readable_query",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_COOKIE_HTTPONLY = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.rest.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],  # authentication refuses whoever has no credentials
    "DEFAULT_RENDERER_CLASSES": ["apps.rest.rendering.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.rest.rendering.AlwaysJson",
    "DEFAULT_SCHEMA_CLASS": "apps.rest.openapi.Schema",
    "EXCEPTION_HANDLER": "apps.rest.errors.handle",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Memoria",
    "DESCRIPTION": "A memory server for AI agents: every person's memories in a database of their own, versioned.",
    "VERSION": (BASE_DIR / "CHANGELOG.md").read_text().split("## ", 1)[1].split()[0],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": ["apps.rest.openapi.add_shapes"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

UNFOLD = {
    "SITE_TITLE": "Memoria",
    "SITE_HEADER": "Memoria",
    "SITE_SUBHEADER": "Operators' console",
    "SITE_SYMBOL": "neurology",
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "apps.tenancy.dashboard.figures",
}

LOGGING_CONFIG = "config.logging.configure"
LOGGING: dict[str, Any] = {"level": MEMORIA_LOG_LEVEL, "format": MEMORIA_LOG_FORMAT}
