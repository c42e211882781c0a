"""A model of versioned memory made of full copies: obviously right, and slow. The real thing must agree with it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from memoria.verdicts import Verdict, verdict

State = tuple[str, bool, str | None]  # content, is_active, superseded_by
Rows = dict[str, State]
Unit = tuple[list[str], list[str]]  # the successors of both sides of a conflict


@dataclass
class NaiveBranch:
    """`base` is what main and the branch last agreed on, `own` every row the branch has ever written."""

    number: int
    rows: Rows
    base: Rows
    fork: Rows
    own: set[str] = field(default_factory=set)


@dataclass
class Moment:
    """Everything as it was: main, the branches by name, and the bases of the lines by number."""

    main: Rows
    branches: dict[str, Rows]
    bases: dict[int, Rows]


@dataclass
class Naive:
    main: Rows = field(default_factory=dict)
    branches: dict[str, NaiveBranch] = field(default_factory=dict)
    snapshots: dict[str, Moment] = field(default_factory=dict)
    lines: int = 0

    def rows(self, line: str) -> Rows:
        return self.main if line == "main" else self.branches[line].rows

    def write(self, line: str, changed: dict[str, State | None]) -> None:
        """Give a line these rows; None takes a row out."""
        rows = self.rows(line)
        for memory_id, state in changed.items():
            if state is None:
                rows.pop(memory_id, None)
            else:
                rows[memory_id] = state
        if line != "main":
            self.branches[line].own.update(changed)

    def store(self, line: str, memory_id: str, content: str) -> None:
        self.write(line, {memory_id: (content, True, None)})

    def correct(self, line: str, old: str, new: str, content: str) -> None:
        self.write(line, {old: (self.rows(line)[old][0], False, new), new: (content, True, None)})

    def purge(self, line: str, memory_ids: list[str]) -> None:
        rows = self.rows(line)
        self.write(line, {i: (rows[i][0], False, rows[i][2]) for i in memory_ids})

    def moment(self) -> Moment:
        return Moment(
            dict(self.main),
            {name: dict(branch.rows) for name, branch in self.branches.items()},
            {branch.number: dict(branch.base) for branch in self.branches.values()},
        )

    def branch(self, name: str, source: Rows) -> NaiveBranch:
        self.lines += 1
        self.branches[name] = NaiveBranch(self.lines, dict(source), dict(source), dict(source))
        return self.branches[name]

    def rollback(self, to: Moment) -> None:
        """Main goes back, and so does what branches and main had agreed on. The branches' rows stay."""
        self.main = dict(to.main)
        for branch in self.branches.values():
            branch.base = dict(to.bases.get(branch.number, branch.fork))

    def rollback_branch(self, name: str, to: Moment) -> None:
        """A branch goes back; what it and main have agreed on stays."""
        branch = self.branches[name]
        rows = to.branches[name] if branch.number in to.bases else branch.fork
        changed = {i for i in rows.keys() | branch.rows.keys() if rows.get(i) != branch.rows.get(i)}
        self.write(name, {i: rows.get(i) for i in changed})

    def verdicts(self, name: str, target: Rows) -> dict[str, Verdict]:
        branch = self.branches[name]
        return {i: verdict3(branch.rows.get(i), branch.base.get(i), target.get(i)) for i in branch.own}

    def units(self, name: str, target: Rows) -> dict[str, Unit]:
        """Conflicts with the successors of both sides, as far as the branch's own rows and the target go."""
        branch = self.branches[name]
        own = {i: state for i, state in branch.rows.items() if i in branch.own}
        return {
            memory_id: (chain(memory_id, own), chain(memory_id, target))
            for memory_id, judged in self.verdicts(name, target).items()
            if judged is Verdict.CONFLICT
        }

    def ahead(self, name: str, target: Rows) -> set[str]:
        """What only the branch changed, outside conflicts."""
        units = self.units(name, target)
        aside = {i for unit, (mine, theirs) in units.items() for i in (unit, *mine, *theirs)}
        return {i for i, v in self.verdicts(name, target).items() if v is Verdict.AHEAD} - aside

    def merge(self, name: str, strategy: str) -> None:
        wanted = self.ahead(name, self.main)
        drop: set[str] = set()
        if strategy == "replace":
            for unit, (mine, theirs) in self.units(name, self.main).items():
                wanted |= {i for i in (unit, *mine) if i in self.branches[name].own}
                drop |= set(theirs)
        self.adopt(name, wanted, drop)

    def adopt(self, name: str, wanted: Iterable[str], drop: Iterable[str]) -> None:
        """Main takes rows of a branch, and they agree on them from now on."""
        branch = self.branches[name]
        self.write("main", dict.fromkeys(drop))
        self.write("main", {i: branch.rows.get(i) for i in wanted})
        for memory_id in wanted:
            branch.base.pop(memory_id, None)
            if memory_id in branch.rows:
                branch.base[memory_id] = branch.rows[memory_id]

    def pick(self, name: str, target: str, wanted: Iterable[str], drop: Iterable[str]) -> None:
        if target == "main":
            self.adopt(name, wanted, drop)
        else:
            self.write(target, dict.fromkeys(i for i in drop if i in self.rows(target)))
            self.write(target, {i: self.branches[name].rows.get(i) for i in wanted})

    def refresh(self, name: str) -> None:
        """A new line from main as it is, with what only the old one changed."""
        old, kept = self.branches[name], self.ahead(name, self.main)
        self.branch(name, self.main)
        self.write(name, {i: old.rows.get(i) for i in kept})


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
