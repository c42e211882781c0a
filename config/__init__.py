"""Wires the apps together: settings, paths, the WSGI and the Celery application."""

from config.celery import app as celery_app

__all__ = ("celery_app",)
