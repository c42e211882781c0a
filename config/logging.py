"""Structured logs on stderr: readable text, or one JSON object per line. Known secrets are cut out of every
line.
"""

import logging
import logging.config
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
from django.conf import settings

from config.env import database

CUT = "[secret]"


def _secrets() -> list[str]:
    """Every secret of the settings, longest first; short ones would cut innocent text."""
    found = {settings.MEMORIA_MASTER_KEY, settings.SECRET_KEY, settings.MEMORIA_EMBEDDING_API_KEY}
    found |= {settings.MEMORIA_LLM_API_KEY, settings.MEMORIA_RERANKER_API_KEY}
    found.add(unquote(urlsplit(settings.MEMORIA_REDIS_URL).password or ""))
    if settings.MEMORIA_LEGACY_URL:
        found.add(database("MEMORIA_LEGACY_URL", settings.MEMORIA_LEGACY_URL).password)
    for entry in (*settings.DATABASES.values(), *settings.MEMORIA_USER_SERVERS.values()):
        found.add(entry.get("PASSWORD", ""))
    return sorted((secret for secret in found if len(secret) >= 4), key=len, reverse=True)


def cut_secrets(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    secrets = _secrets()

    def cut(value: Any) -> Any:
        if isinstance(value, str):
            for secret in secrets:
                value = value.replace(secret, CUT)
        return value

    return {key: cut(value) for key, value in event.items()}


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG hook: `options` holds `level` and `format` (text or json)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        cut_secrets,
    ]
    last = (
        structlog.processors.JSONRenderer()
        if options["format"] == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, cut_secrets, last],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"structured": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
            "loggers": {"django.request": {"level": "ERROR"}, "httpx": {"level": "WARNING"}},
        }
    )
