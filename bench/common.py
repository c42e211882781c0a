"""What the benchmarks share: a fresh installation per engine, timing, and tables with ratios to a floor."""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENGINES = ("sqlite", "mariadb")


def arguments(description: str, **defaults: object) -> argparse.Namespace:
    """The command line of a benchmark: --engine, and an option for every default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args()


def each_engine(wanted: str, script: str, *options: str) -> None:
    """Run this script once per engine in a process of its own, because Django knows one set of settings."""
    for engine in ENGINES if wanted == "both" else (wanted,):
        environment = {**os.environ, "MEMORIA_BENCH_ENGINE": engine}
        subprocess.run([sys.executable, script, "--engine", engine, *options], env=environment, check=True)


def set_up(engine: str, **settings: object) -> Path:
    """Make a fresh installation, start Django on it, and return its data directory."""
    sys.path.insert(0, str(ROOT))
    data = Path(tempfile.mkdtemp(prefix="memoria-bench-"))
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings.base",
        MEMORIA_DATA_DIR=str(data),
        MASTER_KEY="bench-master-key-0123456789",
        OPENBLAS_NUM_THREADS="1",
        **{name: str(value) for name, value in settings.items()},
    )
    os.environ.pop("MEMORIA_DATABASE_URL", None)
    if engine == "mariadb":
        from tests.servers import start_mariadb

        server = start_mariadb(durable=True)
        server.execute("CREATE DATABASE memoria")
        os.environ["MEMORIA_DATABASE_URL"] = server.url("memoria")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return data


def alternating(rounds: int, **calls: Callable[[], object]) -> dict[str, float]:
    """Median seconds of each call. They alternate, so that whatever else the machine does hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    finally:
        gc.enable()
    return {name: statistics.median(values) for name, values in times.items()}


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class Rows:
    """Collects rows of a table and prints it, on a terminal or into a file, in plain columns."""

    def __init__(self, title: str, *columns: str) -> None:
        self._title, self._columns, self._rows = title, columns, []  # type: ignore[var-annotated]

    def add(self, *cells: object) -> None:
        self._rows.append([f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells])

    def __iter__(self) -> Iterator[list[str]]:
        return iter(self._rows)

    def show(self) -> None:
        widths = [
            max(len(row[i]) for row in [list(self._columns), *self._rows]) for i in range(len(self._columns))
        ]
        print(f"\n{self._title}")
        for row in (list(self._columns), ["-" * width for width in widths], *self._rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3f}"


def ratio(ours: float, floor: float, promise: float | None = None) -> str:
    found = f"{ours / floor:.2f}x"
    return found if promise is None else f"{found} (promise {promise:g}x)"
