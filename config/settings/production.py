"""Settings behind a TLS-terminating proxy: base, with browsers told to keep to HTTPS. Needs its secrets given."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *  # noqa: F403
from config.settings.base import BASE_DIR, MEMORIA_MASTER_KEY_FILE, MEMORIA_OPEN_MODE, read, read_secret

if MEMORIA_OPEN_MODE:
    raise ImproperlyConfigured("MEMORIA_OPEN_MODE is for development; unset it and set MASTER_KEY")
if MEMORIA_MASTER_KEY_FILE is not None:
    raise ImproperlyConfigured("set MASTER_KEY or MASTER_KEY_FILE; production does not make up its own")
if not read_secret("MEMORIA_SECRET_KEY"):
    raise ImproperlyConfigured("set MEMORIA_SECRET_KEY or MEMORIA_SECRET_KEY_FILE to a long random text")

MEMORIA_LOG_FORMAT = read("MEMORIA_LOG_FORMAT", default="json")
LOGGING = {"level": read("MEMORIA_LOG_LEVEL", default="INFO").upper(), "format": MEMORIA_LOG_FORMAT}
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
STATIC_ROOT = BASE_DIR / "static"  # filled by collectstatic when the image is built
WHITENOISE_USE_FINDERS = False
