"""Background work in the server's own process, for installations without a worker: a thread that starts what is due.

A worker beside the server, or another process of it, does the same; every due time is claimed once.
"""

import logging
import threading

import structlog
from celery import Celery
from django.conf import settings
from django.db import connections
from django.utils import timezone

from apps.jobs.schedules import schedules_start_due

log = structlog.get_logger(__name__)

KNOCK_SECONDS = 10.0


def tend(app: Celery) -> None:
    """Start the thread. Tasks that tasks send are done at once, one after the other: nobody else would."""
    app.conf.task_always_eager = True
    # A line per sweep and user would bury the server's own; errors are still told.
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)
    logging.getLogger("kombu.connection").setLevel(logging.ERROR)
    app.loader.import_default_modules()
    threading.Thread(target=_run, args=(app,), name="tend", daemon=True).start()


def _run(app: Celery) -> None:
    pause = threading.Event()
    while not pause.wait(min([KNOCK_SECONDS, *settings.MEMORIA_SCHEDULES.values()])):
        tend_once(app)


def tend_once(app: Celery) -> None:
    """Do what is due. Never raises: what failed is due again one period later."""

    def start(name: str, _: float) -> None:
        app.tasks[name].apply(throw=True)

    try:
        schedules_start_due(schedules=settings.MEMORIA_SCHEDULES, now=timezone.now(), start=start)
    except Exception as error:  # an engine that is busy, an endpoint that is down: this thread must not end
        log.warning(
            "background work failed and will be repeated", error=type(error).__name__, reason=str(error)
        )
    finally:
        connections.close_all()
