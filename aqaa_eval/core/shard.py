"""One of several equal parts of a run, for schedulers that start the same command many times, such as Slurm arrays.

Conversation k of the plan (counted over all suites from 0) belongs to part k modulo n. So the parts differ by one
conversation at the most, every suite is spread over all of them, and the same data give the same parts on every
machine. All repeats of a conversation stay in one part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aqaa_eval.core.errors import UsageError

MAX_SHARDS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One part of a run.

    Attributes:
        number: from 1 to `of`.
        of: how many parts there are.
        n_whole: attempts that all parts together plan; 0 until the run is planned.
    """

    number: int
    of: int
    n_whole: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of <= MAX_SHARDS:
            raise UsageError(
                f"--shard {self}: shards are counted from 1, so the first of {max(1, self.of)} is 1/{max(1, self.of)} "
                f"and there are {MAX_SHARDS:,} at the most"
            )

    def takes(self, index: int) -> bool:
        """Whether a conversation of the plan belongs to this part.

        >>> [index for index in range(7) if Shard(number=2, of=3).takes(index)]
        [1, 4]
        """
        return index % self.of == self.number - 1

    def __str__(self) -> str:
        """As it is given on the command line: "2/8"."""
        return f"{self.number}/{self.of}"


def parse_shard(text: str) -> Shard:
    """Read "2/8".

    >>> parse_shard("2/8")
    Shard(number=2, of=8, n_whole=0)

    Raises:
        UsageError: it is not of that form, or there is no such part.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), flags=re.ASCII)
    if not found:
        raise UsageError(f"--shard {text}: write it as NUMBER/OF, such as 2/8 for the second of eight")
    return Shard(number=int(found[1]), of=int(found[2]))
