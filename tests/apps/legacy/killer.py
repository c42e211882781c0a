"""Runs `migrate_legacy` in forks of one warm process and kills them: `python -m tests.apps.legacy.killer`.

Reads lines of JSON, `{"arguments": […], "after": seconds or null}`, and answers each with the seconds that the
command ran and its exit code, null where it was killed. A fork needs no time to start, so that every kill falls into
the work.
"""

import json
import os
import signal
import sys
import time
from io import StringIO

import django
from django.core.management import CommandError, call_command


def run(arguments: list[str], after: float | None) -> tuple[float, int | None]:
    started = time.monotonic()
    if (child := os.fork()) == 0:
        os._exit(_work(arguments))
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if after is not None and time.monotonic() > started + after:
            os.kill(child, signal.SIGKILL)
            ended = os.waitpid(child, 0)
            break
        time.sleep(0.002)
    seconds = time.monotonic() - started
    return seconds, None if os.WIFSIGNALED(ended[1]) else os.waitstatus_to_exitcode(ended[1])


def _work(arguments: list[str]) -> int:
    try:
        call_command("migrate_legacy", *arguments, stdout=StringIO(), stderr=StringIO())
    except CommandError as error:
        return error.returncode
    except BaseException:  # whatever it is, the other side must hear of it, and the fork must end here
        return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
    django.setup()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(**json.loads(line))) + "\n")
        sys.stdout.flush()
