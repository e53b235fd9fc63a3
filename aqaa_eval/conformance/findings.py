"""One row of the table: a rule, whether it holds, and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What was found."""

    HOLDS = "holds"
    NOTED = "note"
    BROKEN = "does not hold"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found on one rule.

    Attributes:
        rule: its name, such as "three turns".
        verdict: whether it holds; a note is worth knowing and no fault.
        reason: one sentence on what was seen, or on why it could not be tried.
    """

    rule: str
    verdict: Verdict
    reason: str


def is_passed(findings: Sequence[Finding]) -> bool:
    """Whether nothing is broken, and something was seen to hold.

    >>> is_passed([Finding(rule="silence", verdict=Verdict.NOT_TRIED, reason="")])
    False
    """
    verdicts = [finding.verdict for finding in findings]
    return Verdict.BROKEN not in verdicts and Verdict.HOLDS in verdicts


def counted(findings: Sequence[Finding]) -> str:
    """How many there are of each kind.

    >>> counted([Finding(rule="silence", verdict=Verdict.HOLDS, reason="")])
    '1 holds'
    """
    n_of = {verdict: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict}
    return ", ".join(f"{n} {_WORDS[verdict][n != 1]}" for verdict, n in n_of.items() if n)


_WORDS = {
    Verdict.HOLDS: ("holds", "hold"),
    Verdict.NOTED: ("note", "notes"),
    Verdict.BROKEN: ("does not hold", "do not hold"),
    Verdict.NOT_TRIED: ("not tried", "not tried"),
}
