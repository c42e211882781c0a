"""The WSGI application that the HTTP server runs."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
application = get_wsgi_application()

from apps.rest.balance import take_share  # noqa: E402  apps can be imported from here on

take_share(settings.MEMORIA_SHARED_REQUESTS)

if settings.MEMORIA_TEND:
    from apps.jobs.inside import tend
    from config.celery import app

    tend(app)
