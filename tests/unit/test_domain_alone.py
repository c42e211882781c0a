"""The domain works without any framework."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = """
import importlib, pkgutil, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("django", "rest_framework", "celery", "apps", "config"):
            raise ImportError(f"the domain imports {name}")
sys.meta_path.insert(0, Refuse())
import memoria
for module in pkgutil.walk_packages(memoria.__path__, "memoria."):
    importlib.import_module(module.name)
    print(module.name)
"""


def test_every_module_imports_without_a_framework():
    done = subprocess.run([sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "memoria.naming" in done.stdout.split()
