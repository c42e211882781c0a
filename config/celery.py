"""The Celery application: Redis where it is configured, else folders in the data directory that need no server.

Messages only say that there is work; rows in the control plane say which. A lost message is a delay, not a loss.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

app = Celery("memoria")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
