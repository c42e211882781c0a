"""What a reader sees: main or a branch, now or as of a commit."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from apps.memories.models import MAIN_BRANCH, OPEN, Memory, Revision


@dataclass(frozen=True, slots=True)
class View:
    """A branch at a moment. `fork_seq` is the commit of main that the branch started from; `at` None means
    now.

    A view with a moment never changes again, whatever is written meanwhile.
    """

    branch_id: int = MAIN_BRANCH
    fork_seq: int = 0
    at: int | None = None
    name: str = "main"

    @property
    def is_main_now(self) -> bool:
        return self.branch_id == MAIN_BRANCH and self.at is None

    @property
    def is_main(self) -> bool:
        return self.branch_id == MAIN_BRANCH

    def sources(self) -> list[QuerySet[Any]]:
        """Disjoint querysets that together are the view, to be read in this order.

        A concurrent write can only move a row from the second to the third, so a reader that drops a second
        row of the same memory_id sees every row once.
        """
        moment = self.at if self.at is not None else OPEN - 1
        if self.is_main:
            return [Memory.objects.all()] if self.at is None else self._main(moment)
        overlay = self.overlay()
        hidden = Exists(overlay.filter(memory_id=OuterRef("memory_id")))
        return [
            overlay.filter(absent=0),
            *(rows.exclude(hidden) for rows in self._main(min(self.fork_seq, moment))),
        ]

    def inherited(self) -> list[QuerySet[Any]]:
        """What the view has of main where its branch has no row of its own, in this order. For readers who have asked
        the overlay before: excluding its rows again costs more than it finds.
        """
        moment = self.at if self.at is not None else OPEN - 1
        if self.is_main:
            return self.sources()
        return self._main(min(self.fork_seq, moment))

    def overlay(self) -> QuerySet[Revision]:
        """The rows that the branch itself has touched and that were true at the view's moment."""
        if self.at is None:
            return Revision.objects.filter(branch_id=self.branch_id, died=OPEN)
        return Revision.objects.filter(branch_id=self.branch_id, died__gt=self.at, born__lte=self.at)

    @staticmethod
    def _main(seq: int) -> list[QuerySet[Any]]:
        return [
            Memory.objects.filter(born__lte=seq),
            Revision.objects.filter(branch_id=MAIN_BRANCH, died__gt=seq, born__lte=seq),
        ]


MAIN = View()
