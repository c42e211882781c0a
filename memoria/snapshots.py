"""Names of snapshots as clients of the earlier server know them."""

import unicodedata

from memoria.errors import Invalid
from memoria.naming import is_encodable

NAMED_LIMIT = 20
BRANCH_LIMIT = 20
NAME_LENGTH = 100
# Automatic restore points: beyond this many the oldest go, so many at a time.
AUTOMATIC_KEPT = 100
AUTOMATIC_DROPPED = 10


def display_name(given: str) -> str:
    """Clean a name: letters, digits and `_`, at most 40, beginning with a letter (else `s_` goes in front).

    Names that are internal already are taken as they are.
    """
    if given.startswith(("mem_snap_", "mem_milestone_")):
        return given[:NAME_LENGTH]
    cleaned = "".join(c if c.isalnum() or c == "_" else "_" for c in given)[:40]
    return cleaned if cleaned[:1].isalpha() else f"s_{cleaned}"


def internal_name(database: str, display: str) -> str:
    """mem_snap_<n>_<scope>_<display>, where scope is the database's name cut to 11 characters."""
    if display.startswith(("mem_snap_", "mem_milestone_")):
        return display
    scope = database if len(database) <= 11 else f"{database[:5]}_{database[-5:]}"
    return f"mem_snap_{len(scope)}_{scope}_{display}"


def automatic_names(database: str, operation: str, suffix: str) -> tuple[str, str]:
    """Display and internal name of the restore point made before an operation; `suffix` is 8 random hex digits."""
    scope = database if len(database) <= 21 else f"{database[:10]}_{database[-10:]}"
    display = f"pre_{operation[:20]}_{suffix}"
    return display, f"mem_snap_{scope}_{display}"


# What may follow a branch's name in a path; a name that ends so could not be told from it.
PATH_ENDS = ("checkout", "refresh", "diff", "diff-items", "merge", "pick", "apply")


def checked_branch_name(name: str) -> str:
    """Branch names are kept as they are. Raises Invalid for blank, overlong and reserved ones, and for those that no
    request could name: paths and the `branch` parameter must lead back to the same branch.
    """
    if not name.strip():
        raise Invalid("Validation error: branch name must not be empty")
    if name == "main":
        raise Invalid("Validation error: branch name 'main' is reserved")
    if len(name) > NAME_LENGTH or "\0" in name or not is_encodable(name):
        raise Invalid(f"Validation error: branch name must be text of at most {NAME_LENGTH} characters")
    if name != name.strip() or any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in name):
        raise Invalid(
            "Validation error: branch name must not begin or end with a space or hold control characters"
        )
    if name in (".", "..") or any(name.endswith(f"/{end}") for end in PATH_ENDS):
        raise Invalid(f"Validation error: branch name '{name}' is reserved")
    return name
