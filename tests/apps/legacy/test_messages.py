"""Every message of the migration stands in docs/migration.md, with what to do."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.running import ROOT

# Where messages are said: they are appended to one of these, handed to one of those, or raised.
LISTS = {"gaps", "warnings", "mismatches", "failed", "wrong", "used", "unreadable"}
CALLS = {"_refuse", "_stop", "_count", "Invalid", "Conflict", "Fault", "_say", "_fail", "failure"}
# Names and functions that hold one.
NAMES = {"_WRITTEN", "_DIED", "_TAKEN_OVER", "_NO_WORKER", "found", "reason"}
FUNCTIONS = {"refusal", "_keys", "_moments", "counted_otherwise"}
# Messages of programmers' faults, or of commands that are not the migration's.
BESIDE = {"made.py", "make_legacy.py", "mapping.py"}


def documented() -> list[re.Pattern[str]]:
    """How the messages of the tables begin; dots stand for what varies."""
    page = (ROOT / "docs" / "migration.md").read_text()
    rows = re.findall(r"^\| (.+?) \| .+ \|$", page.split("| Message | Meaning |", 1)[1], re.MULTILINE)
    messages = [row.replace("`", "") for row in rows if row not in ("Message", "---")]
    return [re.compile(".*".join(map(re.escape, message.split("…")))) for message in messages]


def said() -> Iterator[tuple[str, str]]:
    """Place and text of each message; … where something is filled in."""
    for path in sorted((ROOT / "apps" / "legacy").rglob("*.py")):
        if path.name in BESIDE or "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            for part in spoken(node):
                for text in texts(part):
                    words = re.findall(r"[A-Za-z]{2,}", text)
                    if len(words) > 2 and not text.startswith("SELECT"):
                        yield f"{path.name}:{part.lineno}", text


def spoken(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions in a place where messages are said."""
    if isinstance(node, ast.Call):
        name, of = called(node.func), called(getattr(node.func, "value", node))
        if name in CALLS or (name == "append" and of in LISTS) or (name == "write" and of == "stderr"):
            yield from node.args
    elif isinstance(node, ast.AugAssign | ast.Assign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if (LISTS | NAMES) & set(map(called, targets)):
            yield node.value
    elif isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS:
        for child in ast.walk(node):
            if isinstance(child, ast.Return | ast.Yield) and child.value is not None:
                yield child.value


def called(node: ast.AST) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        yield "".join(map(str, parts))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"\{.*?\}", "…", node.value)
    elif not isinstance(node, ast.Call):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from texts(child)


def test_every_message_is_explained() -> None:
    rows = documented()
    lacking = [f"{place}: {text}" for place, text in said() if not any(row.match(text) for row in rows)]
    assert not lacking, "\n".join(lacking)


def test_no_message_is_explained_that_nobody_says() -> None:
    every = [text for _, text in said()]
    idle = [row.pattern for row in documented() if not any(map(row.match, every))]
    assert not idle, "\n".join(idle)


@pytest.mark.parametrize("code", [0, 1, 3, 4, 5, 6, 130])
def test_every_exit_code_is_explained(code: int) -> None:
    page = (ROOT / "docs" / "migration.md").read_text()
    assert re.search(rf"^\| {code}\b", page, re.MULTILINE)
