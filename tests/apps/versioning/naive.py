"""A model of versioned memory made of full copies: obviously right, and slow. The real thing must agree with it."""

from copy import deepcopy
from dataclasses import dataclass, field

from memoria.verdicts import Verdict, verdict

State = tuple[str, bool, str | None]  # content, is_active, superseded_by
Rows = dict[str, State]


@dataclass
class NaiveBranch:
    rows: Rows
    base: Rows


@dataclass
class Naive:
    main: Rows = field(default_factory=dict)
    branches: dict[str, NaiveBranch] = field(default_factory=dict)
    snapshots: dict[str, tuple[Rows, dict[str, Rows]]] = field(default_factory=dict)

    def rows(self, line: str) -> Rows:
        return self.main if line == "main" else self.branches[line].rows

    def store(self, line: str, memory_id: str, content: str) -> None:
        self.rows(line)[memory_id] = (content, True, None)

    def correct(self, line: str, old: str, new: str, content: str) -> None:
        rows = self.rows(line)
        rows[old] = (rows[old][0], False, new)
        rows[new] = (content, True, None)

    def purge(self, line: str, memory_ids: list[str]) -> None:
        rows = self.rows(line)
        for memory_id in memory_ids:
            rows[memory_id] = (rows[memory_id][0], False, rows[memory_id][2])

    def snapshot(self, name: str) -> None:
        self.snapshots[name] = (dict(self.main), {n: dict(b.rows) for n, b in self.branches.items()})

    def branch(self, name: str, source: Rows) -> None:
        self.branches[name] = NaiveBranch(dict(source), dict(source))

    def rollback(self, rows: Rows) -> None:
        self.main = dict(rows)

    def verdicts(self, name: str, target: Rows) -> dict[str, Verdict]:
        branch = self.branches[name]
        ids = branch.rows.keys() | branch.base.keys()
        return {i: verdict3(branch.rows.get(i), branch.base.get(i), target.get(i)) for i in ids}

    def units(self, name: str, target: Rows) -> dict[str, tuple[list[str], list[str]]]:
        """Conflicts with the successors of both sides, as far as the branch's own rows and the target go."""
        branch = self.branches[name]
        own = {i: s for i, s in branch.rows.items() if s != branch.base.get(i)}
        found = {}
        for memory_id, judged in self.verdicts(name, target).items():
            if judged is Verdict.CONFLICT:
                mine = [i for i in chain(memory_id, branch.rows) if i in own or i in self.touched(name)]
                found[memory_id] = (mine, chain(memory_id, target))
        return found

    def touched(self, name: str) -> set[str]:
        branch = self.branches[name]
        return {i for i in branch.rows if branch.rows[i] != branch.base.get(i)}

    def merge(self, name: str, strategy: str) -> None:
        branch = self.branches[name]
        judged = self.verdicts(name, self.main)
        units = self.units(name, self.main)
        aside = {i for unit, (mine, theirs) in units.items() for i in (unit, *mine, *theirs)}
        wanted = {i for i, v in judged.items() if v is Verdict.AHEAD and i not in aside}
        drop: set[str] = set()
        if strategy == "replace":
            for unit, (mine, theirs) in units.items():
                wanted |= {unit, *mine}
                drop |= set(theirs)
        self.adopt(branch, wanted, drop - wanted)

    def adopt(self, branch: NaiveBranch, wanted: set[str], drop: set[str]) -> None:
        for memory_id in drop:
            self.main.pop(memory_id, None)
        for memory_id in wanted:
            if memory_id in branch.rows:
                self.main[memory_id] = branch.rows[memory_id]
                branch.base[memory_id] = branch.rows[memory_id]
            else:
                self.main.pop(memory_id, None)
                branch.base.pop(memory_id, None)

    def copy(self) -> "Naive":
        return deepcopy(self)


def verdict3(mine: State | None, base: State | None, theirs: State | None) -> Verdict:
    """The same table over whole states, each numbered by its value."""
    numbers = {state: n for n, state in enumerate({s for s in (mine, base, theirs) if s is not None})}
    return verdict(*(numbers.get(s) if s is not None else None for s in (mine, base, theirs)))


def chain(memory_id: str, rows: Rows) -> list[str]:
    found: list[str] = []
    state = rows.get(memory_id)
    while state is not None and state[2] is not None and state[2] not in (memory_id, *found):
        found.append(state[2])
        state = rows.get(state[2])
    return found
