"""One thing that is wrong with a suite, with the place where an author mends it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of a suite.

    Attributes:
        file: file in which it is, with the suite's folder.
        line: from 1; 0 if it is not in a line.
        field: path of the field, such as "turns[1].checks[0]"; "" if it is not in a field.
        message: the value, the rule and the way out.
    """

    file: str
    line: int
    message: str
    field: str = ""

    def __str__(self) -> str:
        """The fault as compilers print one.

        >>> str(Finding(file="gaming/samples.jsonl", line=3, field="turns[0].text", message="is missing"))
        'gaming/samples.jsonl:3: turns[0].text: is missing'
        """
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"
