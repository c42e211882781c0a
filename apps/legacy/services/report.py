"""The report of a run, in the fields that readers of the earlier tool's report know, and what they lacked."""

import json
import os
import platform
import socket
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.accounts.models import ApiKey, ToolUsage
from apps.governance.models import Cooldown
from apps.legacy.services.copying import Copied
from apps.legacy.services.planning import Plan
from apps.legacy.services.verifying import Verified
from apps.legacy.source import COPIED, Source
from apps.tenancy import schema
from apps.tenancy.selectors import database_names
from memoria.naming import database_name

SHARED: dict[str, Any] = {
    "mem_api_keys": ApiKey,
    "mem_tool_usage": ToolUsage,
    "mem_governance_cooldown": Cooldown,
}
RUNTIME = ("mem_distributed_locks", "mem_async_tasks")


class Report:
    """What is known so far. `write` may be called at any time."""

    def __init__(self, phase: str, path: Path | None, options: dict[str, Any]) -> None:
        self._path = path
        self._users: dict[str, dict[str, Any]] = {}
        self.fields: dict[str, Any] = {
            "phase": phase,
            "dry_run": phase == "plan",
            "legacy_db_name": None,
            "shared_db_name": str(connection.settings_dict["NAME"]),
            "pre_execute_account_snapshot": None,
            "started_at": timezone.now().isoformat(),
            "written_at": None,
            "finished_at": None,
            "outcome": "running",
            "exit_code": None,
            "host": socket.gethostname(),
            "options": options,
            "versions": {
                "tool": settings.SPECTACULAR_SETTINGS["VERSION"],
                "schema": schema.schema_version(),
                "python": platform.python_version(),
                "django": django.get_version(),
                "source": None,
                "target": None,
            },
            "source": None,
            "target": connection.settings_dict.get("HOST") or "localhost",
            "selected_users": [],
            "shared_tables": [],
            "skipped_shared_runtime_tables": list(RUNTIME),
            "users": [],
            "failed_users": [],
            "errors": [],
            "warnings": [],
            "timings": {},
        }

    def refusal(self) -> str | None:
        """Why the report could not be written, before anything is done."""
        path = self._path
        if path is None or (path.parent.is_dir() and os.access(path.parent, os.W_OK) and not path.is_dir()):
            return None
        return f"the report cannot be written to {path}"

    def sides(self, source: Source) -> None:
        """Where the old database is, and what both servers call themselves."""
        versions = self.fields["versions"]
        self.fields["source"], versions["source"] = source.label, source.server()
        connection.ensure_connection()
        found = ".".join(map(str, connection.get_database_version()))
        versions["target"] = f"{connection.display_name} {found}"

    def plan(self, plan: Plan, source: Source) -> None:
        status = "planned" if self.fields["dry_run"] else "pending"
        self.fields |= {
            "legacy_db_name": source.label.rsplit("/", 1)[-1],
            "selected_users": sorted(plan.users),
            "skipped_tables": plan.skipped,
            "unknown": plan.unknown,
            "source_fingerprint": {table: list(values) for table, values in plan.fingerprint.items()},
            "vectors": {"model": plan.vectors.model, "dim": plan.vectors.dim} if plan.vectors else None,
        }
        self.fields["warnings"] += plan.warnings
        self.fields["shared_tables"] = [
            _table(name, sum(counts.get(name, 0) for counts in plan.users.values()), plan, status)
            for name in SHARED
        ]
        names = database_names()
        for user_id, counts in plan.users.items():
            self._users[user_id] = {
                "user_id": user_id,
                "target_db": names.get(user_id) or database_name(user_id),
                "active_branch": plan.active_branches.get(user_id),
                "active_snapshot_count": plan.snapshots.get(user_id, 0),
                "tables": [
                    _table(name, counts.get(name, 0), plan, status) for name in sorted(COPIED - set(SHARED))
                ],
                "branch_tables": [
                    {
                        "table_name": table,
                        "source_rows": rows,
                        "target_rows": None,
                        "status": status,
                        "note": f"branch {name!r}",
                    }
                    for name, table, rows in plan.branches.get(user_id, ())
                ],
                "warnings": [],
                "error": None,
            }

    def copied(self, result: Copied) -> None:
        entry = self._users[result.user_id]
        entry |= {
            "read": result.read,
            "written": result.written,
            "removed": result.removed,
            "unchanged": result.is_unchanged,
            "seconds": round(result.seconds, 3),
            "error": result.error,
        }
        entry["warnings"] += result.warnings
        self.fields["warnings"] += [f"{result.user_id!r}: {warning}" for warning in result.warnings]
        if result.error:
            self.fields["failed_users"].append(result.user_id)
            return
        for table in (*entry["tables"], *entry["branch_tables"]):
            if table["status"] == "pending":
                table["status"] = "copied"

    def databases_made(self) -> None:
        """Call the users' new databases by the names that they got."""
        names = database_names()
        for user_id, entry in self._users.items():
            entry["target_db"] = names.get(user_id, entry["target_db"])

    def verified(self, result: Verified) -> None:
        entry = self._users[result.user_id]
        entry["checksums"] = {
            table: {"source": old, "target": new} for table, (old, new) in result.tables.items()
        }
        entry["mismatches"] = result.mismatches
        entry["differs_by_use"] = result.differs_by_use
        entry["verify_seconds"] = round(result.seconds, 3)
        if result.mismatches:
            self.fields["failed_users"].append(result.user_id)
        for table in (*entry["tables"], *entry["branch_tables"]):
            label = table["note"].replace("'", "") if table["note"] else table["table_name"]
            if (sums := result.tables.get(label)) is not None:
                table["source_rows"], table["target_rows"] = (int(each.split(":")[0]) for each in sums)

    def mismatched(self, found: Iterable[tuple[str, str]]) -> None:
        """What differs in the control plane, as pairs of user and mismatch."""
        for user_id, mismatch in found:
            self._users[user_id].setdefault("mismatches", []).append(mismatch)
            if user_id not in self.fields["failed_users"]:
                self.fields["failed_users"].append(user_id)

    def shared_copied(self, user_ids: Set[str]) -> None:
        for table in self.fields["shared_tables"]:
            if table["status"] == "pending":
                here = SHARED[table["table_name"]].objects.values_list("user_id", flat=True)
                table |= {
                    "status": "copied",
                    "target_rows": sum(user in user_ids for user in here.iterator()),
                }

    def failed(self, reasons: Iterable[str]) -> None:
        self.fields["errors"] += reasons

    def ended(self, outcome: str, code: int) -> None:
        """Write the report for the last time."""
        now = timezone.now().isoformat()
        self.fields |= {"outcome": outcome, "exit_code": code, "finished_at": now}
        self.write()

    def write(self) -> None:
        """Replace the file in one step. Nothing where there is no file to write."""
        if self._path is None or self.refusal():
            return
        self.fields["written_at"] = timezone.now().isoformat()
        self.fields["users"] = [self._users[user_id] for user_id in sorted(self._users)]
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with temporary.open(
            "w", errors="backslashreplace"
        ) as file:  # halves of characters, as JSON spells them
            json.dump(self.fields, file, indent=1, ensure_ascii=False, default=str)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)


def _table(name: str, rows: int, plan: Plan, status: str) -> dict[str, Any]:
    missing = name not in plan.tables
    note = "not in the old database" if missing else None
    return {
        "table_name": name,
        "source_rows": rows,
        "target_rows": None,
        "status": "skipped" if missing else status,
        "note": note,
    }
