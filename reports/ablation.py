"""What an ablation found: its arms in figures, effects, claims with verdicts, and published tables beside them.

The records are filled by `aqaa_eval.ablations`; here they are told in words, for the terminal, the page and JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.effects import Decision, Effect, Verdict, turned
from aqaa_eval.reports.labels import NOTHING, plural, seconds


class Unit(StrEnum):
    """How a value is written."""

    POINTS = "points"
    SHARE = "share"
    SECONDS = "seconds"
    NUMBER = "number"
    PERPLEXITY = "perplexity"
    """The value is the natural logarithm of a perplexity, so that differences are ratios."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that is measured in every arm, with one value per conversation.

    Attributes:
        key: its name in values and JSON.
        title: as a column head.
        note: what it is, in half a sentence.
        unit: how it is written.
        higher_is_better: which way is good.
        is_binary: whether a conversation's value is 0 or 1.
        smallest: the smallest difference that matters; a claim is refuted if that much is ruled out.
    """

    key: str
    title: str
    note: str
    unit: Unit = Unit.POINTS
    higher_is_better: bool = True
    is_binary: bool = False
    smallest: float = 0.2

    def shown(self, value: float | None) -> str:
        """A value in its unit.

        >>> Measure(key="f", title="F", note="", unit=Unit.SHARE).shown(0.125)
        '12.5 %'
        >>> Measure(key="p", title="P", note="", unit=Unit.PERPLEXITY).shown(math.log(50))
        '50.0'
        """
        if value is None:
            return NOTHING
        if self.unit is Unit.SHARE:
            return f"{100 * value:.1f} %"
        if self.unit is Unit.SECONDS:
            return seconds(value)
        if self.unit is Unit.PERPLEXITY:
            perplexity = math.exp(min(value, 700.0))
            return f"{perplexity:.2f}" if perplexity < 10 else f"{perplexity:.1f}"
        return f"{value:.2f}"

    def change(self, difference: float | None) -> str:
        """A difference with its sign.

        >>> Measure(key="p", title="P", note="", unit=Unit.PERPLEXITY).change(math.log(0.842))
        '-15.8 %'
        >>> Measure(key="f", title="F", note="", unit=Unit.SHARE).change(0.05)
        '+5.0 points'
        """
        if difference is None:
            return NOTHING
        if self.unit is Unit.SHARE:
            return f"{100 * difference:+.1f} points"
        if self.unit is Unit.SECONDS:
            return f"{difference:+.2f} s"
        if self.unit is Unit.PERPLEXITY:
            return f"{100 * math.expm1(min(difference, 700.0)):+.1f} %"
        return f"{difference:+.2f}"

    def between(self, estimate: Estimate, *, as_change: bool = False) -> str:
        """The 95 % interval of an estimate."""
        if estimate.low is None or estimate.high is None:
            return NOTHING
        write = self.change if as_change else self.shown
        low, high = write(estimate.low), write(estimate.high)
        if low == high:
            return "no spread" if estimate.low == estimate.high else f"{low} to {high}"
        return f"{low.removesuffix(' %').removesuffix(' points').removesuffix(' s')} to {high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """One arm in figures.

    Attributes:
        name: of the arm.
        title: as people read it.
        place: its run folder or weights, relative to the ablation's folder; "" if it has none of its own.
        n: conversations with any value.
        estimates: by measure; one that has no value here is absent.
        suites: MOS by the suites' titles, for radar and table of suites; empty if none is asked for.
    """

    name: str
    title: str
    place: str
    n: int
    estimates: Mapping[str, Estimate]
    suites: Mapping[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """Figures as one source printed them: other models, other questions, no intervals.

    Attributes:
        source: where they stand.
        note: what a reader must know of them.
        arms: values by arm and measure.
    """

    source: str
    note: str
    arms: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A sentence that data can decide: one arm is better than another in one measure.

    Attributes:
        says: the sentence.
        measure: key of the measure.
        better: arm that is claimed to be better.
        worse: the other arm.
        published: the difference in print, better minus worse; None if only the direction is.
        source: who claims it.
    """

    says: str
    measure: str
    better: str
    worse: str
    published: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """A claim and what became of it."""

    claim: Claim
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One ablation.

    Attributes:
        name: as on the command line.
        title: as people read it.
        question: what is asked, in a sentence.
        measures: in the order of the columns.
        arms: those that ran, in order.
        effects: by measure, in the order of the comparisons.
        claims: with their verdicts.
        published: one table per source.
        missing: arms that did not run, with reasons.
        notes: what a reader must know of the measuring.
        seed: of the resampling.
        is_complete: whether everything that was planned was measured.
    """

    name: str
    title: str
    question: str
    measures: tuple[Measure, ...]
    arms: tuple[ArmResult, ...]
    effects: Mapping[str, tuple[Effect, ...]]
    claims: tuple[ClaimResult, ...]
    published: tuple[PublishedTable, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seed: int = 0
    is_complete: bool = True

    def measure(self, key: str) -> Measure:
        """The measure of that key."""
        return next(measure for measure in self.measures if measure.key == key)

    @property
    def suites(self) -> tuple[str, ...]:
        """Titles of the suites that any arm has a MOS of, where they are asked for."""
        return tuple(dict.fromkeys(suite for arm in self.arms for suite in arm.suites))

    @property
    def shown_measures(self) -> tuple[Measure, ...]:
        """The measures that any arm has a value for, or that were published."""
        printed = {key for table in self.published for row in table.arms.values() for key in row}
        return tuple(
            measure
            for measure in self.measures
            if measure.key in printed or any(measure.key in arm.estimates for arm in self.arms)
        )


def verdict_sentence(findings: Findings, result: ClaimResult) -> str:
    """What became of a claim, in one sentence."""
    claim, decision = result.claim, result.decision
    if decision.verdict is Verdict.NOT_MEASURED:
        return f"{claim.says}: not measured ({_why_not(findings, claim)})"
    measure = findings.measure(claim.measure)
    told = f"{claim.says}: {decision.verdict} at n = {decision.n} ({_gain(measure, decision.gain)})"
    if decision.verdict is not Verdict.UNDECIDED:
        return told
    if decision.n_more is None:
        return f"{told}; the spread is not known well enough to say how many more would decide"
    return f"{told}; if the difference is what it seems, about {plural(decision.n_more, 'more conversation')} decide it"


def _why_not(findings: Findings, claim: Claim) -> str:
    for arm in (claim.better, claim.worse):
        if arm in findings.missing:
            return f"{arm} did not run: {findings.missing[arm]}"
    lacking = [arm for arm in (claim.better, claim.worse) if not _has(findings, arm, claim.measure)]
    title = findings.measure(claim.measure).title
    return f"no value of {title} in {' and '.join(lacking)}" if lacking else "no conversation has a value in both arms"


def _has(findings: Findings, arm: str, measure: str) -> bool:
    return any(found.name == arm and measure in found.estimates for found in findings.arms)


def _gain(measure: Measure, gain: Estimate) -> str:
    if gain.value == gain.low == gain.high == 0.0:
        return "both came out alike on every conversation"
    shown = gain if measure.higher_is_better else turned(gain)
    better = "better" if (gain.value or 0.0) > 0 else "worse" if gain.value else "alike"
    if shown.low is None or shown.high is None:
        return f"{measure.change(shown.value)}, {better}; no interval"
    return f"{measure.change(shown.value)}, {better}; 95 % interval {measure.between(shown, as_change=True)}"


def findings_json(findings: Findings) -> dict[str, Any]:
    """Everything as plain values; a missing one is null."""
    return asdict(findings) | {"verdicts": [verdict_sentence(findings, result) for result in findings.claims]}
