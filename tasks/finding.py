"""One thing that is wrong with a suite, with the place where an author mends it."""

from __future__ import annotations

from dataclasses import dataclass

from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.visible import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of a suite.

    Attributes:
        file: file in which it is, with the suite's folder.
        line: from 1; 0 if it is not in a line.
        field: path of the field, such as "turns[1].checks[0]"; "" if it is not in a field.
        message: the value, the rule and the way out.
        sample: id of the conversation that it costs; "" where none could be read.
        n_before: conversations in order before it.
    """

    file: str
    line: int
    message: str
    field: str = ""
    sample: str = ""
    n_before: int = 0

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def reason(self) -> str:
        """Field and message."""
        return f"{self.field}: {self.message}" if self.field else self.message

    def __str__(self) -> str:
        """The fault as compilers print one.

        >>> str(Finding(file="gaming/samples.jsonl", line=3, field="turns[0].text", message="is missing"))
        'gaming/samples.jsonl:3: turns[0].text: is missing'
        """
        return visible(f"{self.place}: {self.reason}")

    def as_not_run(self, suite: str) -> NotRun:
        """The conversation that it costs."""
        return NotRun(suite=suite, sample=self.sample, place=self.place, reason=self.reason, n_before=self.n_before)
