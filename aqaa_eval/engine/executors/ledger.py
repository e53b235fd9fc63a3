"""The jobs of a run on a cluster, and the answers so far: what a lost worker had made is not asked for again.

It lives beside the driver. Workers take jobs from it by number and leave every answer with it before they hand the
conversation on; the driver collects these answers and commits them while the conversation is still on its way. When a
machine is lost, its conversations are begun again elsewhere: they get the answers that the ledger has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aqaa_eval.engine.store import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A job as a worker gets it.

    Attributes:
        body: the pickled work.
        answers: records of what was answered before, by a worker that was lost; empty if there are none.
    """

    body: bytes
    answers: tuple[Record, ...] = ()


class Ledger:
    """Jobs by number; used by one caller at a time."""

    def __init__(self) -> None:
        self._bodies: dict[int, bytes] = {}
        self._answers: dict[int, tuple[Record, ...]] = {}
        self._new: list[int] = []
        self._stopping = False

    def load(self, bodies: Sequence[bytes]) -> None:
        """Replace all jobs by others, numbered from 0."""
        self._bodies = dict(enumerate(bodies))
        self._answers, self._new = {}, []

    def take(self, numbers: Sequence[int]) -> list[Taken | None]:
        """The jobs of these numbers; None for one that is done, and for one that shall not begin any more."""
        return [self._take(number) for number in numbers]

    def _take(self, number: int) -> Taken | None:
        body, answers = self._bodies.get(number), self._answers.get(number, ())
        if body is None or (self._stopping and not answers):
            return None
        return Taken(body=body, answers=answers)

    def keep(self, answers: Sequence[tuple[int, tuple[Record, ...]]]) -> list[tuple[Record, ...]]:
        """Take answers; of two to the same job the first counts. Returns what counts, in the order given."""
        kept = []
        for number, records in answers:
            if number not in self._answers and number in self._bodies:
                self._answers[number] = records
                self._new.append(number)
            kept.append(self._answers.get(number, records))
        return kept

    def collect(self) -> list[tuple[int, tuple[Record, ...]]]:
        """Answers since the last call."""
        new, self._new = self._new, []
        return [(number, self._answers[number]) for number in new if number in self._answers]

    def forget(self, numbers: Sequence[int]) -> None:
        """These jobs are done and durable."""
        for number in numbers:
            self._bodies.pop(number, None)
            self._answers.pop(number, None)

    def stop(self) -> None:
        """Let no further job begin."""
        self._stopping = True
