"""Start the REST server: bring the control plane up to date, say where things are, hand over to the HTTP server."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.legacy.detect import INSTRUCTIONS, is_legacy_control_database
from apps.rest.balance import shared_memory
from apps.tenancy import schema
from apps.tenancy.servers import close_idle, server_names
from apps.tenancy.services.control_plane import control_plane_migrate


class Command(BaseCommand):
    help = (
        "Serve REST until stopped. Example: manage.py serve --port 8100\n"
        "The defaults come from MEMORIA_HOST, MEMORIA_PORT, MEMORIA_WORKERS and MEMORIA_THREADS."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.MEMORIA_HOST)
        parser.add_argument("--port", type=int, default=settings.MEMORIA_PORT)
        parser.add_argument("--workers", type=int, default=settings.MEMORIA_WORKERS, help="processes")
        parser.add_argument(
            "--threads", type=int, default=settings.MEMORIA_THREADS, help="threads per process"
        )

    def handle(self, *, host: str, port: int, workers: int, threads: int, **_: Any) -> None:
        self.check(databases=["default"])
        if is_legacy_control_database():
            raise CommandError(INSTRUCTIONS, returncode=3)
        control_plane_migrate()
        for name in server_names():
            schema.ensure_template(name)
        close_idle()
        self._greet(host, port)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
        os.environ["MEMORIA_DATA_DIR"] = str(settings.MEMORIA_DATA_DIR)
        os.environ["MEMORIA_WORKERS"] = str(workers)
        os.environ["MEMORIA_SHARED_REQUESTS"] = shared_memory(workers) if workers > 1 else ""
        # Its processes find the code from whatever folder the server is started in.
        places = [str(settings.BASE_DIR), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(places)
        # Requests run in threads of their own; more threads inside one matrix product only get in each other's way.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        command = [
            sys.executable,
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--host",
            host,
            "--port",
            str(port),
        ]
        command += ["--workers", str(workers), "--blocking-threads", str(threads), "--respawn-failed-workers"]
        command += ["--blocking-threads-idle-timeout", "600", "--workers-kill-timeout", "20"]
        command += ["--no-ws", "--log-level", "error", "config.wsgi:application"]
        os.execv(sys.executable, command)  # noqa: S606

    def _greet(self, host: str, port: int) -> None:
        base = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104
        self.stdout.write(f"Memoria        {base}")
        self.stdout.write(f"API page       {base}/api/docs")
        self.stdout.write(f"Console        {base}/console/   (first account: make superuser)")
        self.stdout.write(f"Data           {settings.MEMORIA_DATA_DIR}")
        if settings.MEMORIA_OPEN_MODE:
            self.stdout.write(self.style.WARNING("Open mode: every caller is an administrator."))
        elif settings.MEMORIA_MASTER_KEY_FILE:
            self._greet_key()
        self.stdout.flush()

    def _greet_key(self) -> None:
        """Show a generated master key at the first start only; afterwards its file is named."""
        shown = settings.MEMORIA_DATA_DIR / ".master_key_shown"
        if shown.exists():
            self.stdout.write(f"Master key     in {settings.MEMORIA_MASTER_KEY_FILE}")
            return
        shown.touch()
        self.stdout.write(f"Master key     {settings.MEMORIA_MASTER_KEY}")
        self.stdout.write(f"               made just now and kept in {settings.MEMORIA_MASTER_KEY_FILE}")
