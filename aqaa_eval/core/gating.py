"""What a gate decided: one verdict per suite and per absolute floor, and one for the candidate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.chain import ChainDifference
from aqaa_eval.core.errors import ExitCode


class GateVerdict(StrEnum):
    """Of a suite, of a floor, or of the whole candidate."""

    PASSED = "passed"
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    INCOMPLETE = "incomplete"

    @property
    def exit_code(self) -> ExitCode:
        """What the process tells the shell."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    GateVerdict.PASSED: ExitCode.PASSED,
    GateVerdict.REGRESSION: ExitCode.GATE_FAILED,
    GateVerdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    GateVerdict.INCOMPLETE: ExitCode.INCOMPLETE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteGate:
    """One suite of the candidate against the baseline.

    Attributes:
        suite: id of the suite.
        difference: candidate minus baseline over the conversations that both have.
        candidate: mean of the candidate over these; None if there are none.
        baseline: mean of the baseline over these.
        margin: loss that is put up with.
        p_worse: of "it is no worse", adjusted for all suites by Holm.
        p_within: of "it is worse by the margin or more".
        n_missing: conversations with a score in the baseline and none in the candidate.
        n_needed: conversations that would settle an inconclusive suite; None where that cannot be said or is not asked.
        verdict: what follows.
        reason: one sentence.
    """

    suite: str
    difference: Estimate
    candidate: float | None
    baseline: float | None
    margin: float
    p_worse: float
    p_within: float
    n_missing: int
    n_needed: int | None
    verdict: GateVerdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorGate:
    """One absolute demand, such as "singing at least 3.5".

    Attributes:
        demand: as it was asked for.
        measured: in words, with the unit.
        verdict: passed, regression (it does not hold) or incomplete (nothing was measured).
    """

    demand: str
    measured: str
    verdict: GateVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """The whole decision.

    Attributes:
        candidate: label of the candidate.
        baseline: label of the baseline.
        metric: what was compared.
        suites: in the order of the baseline.
        floors: in the order asked for.
        missing: conversations with a score in the baseline and none in the candidate.
        extra: conversations that only the candidate has; they change nothing.
        allowed: chain parts that differ with leave.
    """

    candidate: str
    baseline: str
    metric: str
    suites: tuple[SuiteGate, ...]
    floors: tuple[FloorGate, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    allowed: tuple[ChainDifference, ...] = ()

    @property
    def verdict(self) -> GateVerdict:
        """The worst that was found: a regression counts before what is missing, that before what is undecided."""
        found = {suite.verdict for suite in self.suites} | {floor.verdict for floor in self.floors}
        for verdict in (GateVerdict.REGRESSION, GateVerdict.INCOMPLETE, GateVerdict.INCONCLUSIVE):
            if verdict in found:
                return verdict
        return GateVerdict.PASSED
