"""Vectors in a byte per number: a quarter of the memory, and of what a product with all of them has to fetch from it.

Each number is a multiple of its row's step, the largest of the row divided by 127. Rounding moves the product with a
unit vector by step/2 · √dim at the very most, and usually by less than step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.int8]

# Rows that are spelled out at a time: enough for one call to be worth it, few enough for the fastest memory.
BLOCK = 512
_LARGEST = 127


@dataclass(frozen=True, slots=True)
class Rounded:
    """Rows of vectors of one width."""

    numbers: Bytes
    steps: Floats
    """What one of a row's numbers stands for."""

    @classmethod
    def empty(cls, count: int, dim: int) -> "Rounded":
        """So many rows of zeros, to be `put`."""
        return cls(np.zeros((count, dim), dtype=np.int8), np.zeros(count, dtype=np.float32))

    def put(self, start: int, vectors: Floats) -> None:
        """Let the rows from `start` on be these."""
        steps = np.abs(vectors).max(axis=1, initial=0.0) / _LARGEST
        rows = slice(start, start + len(vectors))
        self.steps[rows] = steps
        self.numbers[rows] = np.rint(vectors / np.where(steps, steps, 1.0)[:, None])

    @classmethod
    def joined(cls, parts: Sequence["Rounded"]) -> "Rounded":
        """One after the other; nothing is rounded again."""
        return cls(
            np.concatenate([part.numbers for part in parts]), np.concatenate([part.steps for part in parts])
        )

    def taken(self, rows: NDArray[np.intp]) -> "Rounded":
        """These rows only."""
        return Rounded(self.numbers[rows], self.steps[rows])

    def spelled(self) -> Floats:
        """All rows as they are compared."""
        return self.numbers * self.steps[:, None]

    def times(self, query: Floats) -> Floats:
        """The product of each row with a vector."""
        found = np.empty(len(self), dtype=np.float32)
        block = np.empty((min(BLOCK, len(self)), self.dim), dtype=np.float32)
        for start in range(0, len(self), BLOCK):
            numbers = self.numbers[start : start + BLOCK]
            part = block[: len(numbers)]
            np.copyto(part, numbers)
            np.matmul(part, query, out=found[start : start + BLOCK])
        found *= self.steps
        return found

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def dim(self) -> int:
        return self.numbers.shape[1]

    @property
    def nbytes(self) -> int:
        return self.numbers.nbytes + self.steps.nbytes
