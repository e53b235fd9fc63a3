"""Absolute demands on a run: "singing at least 3.5", "failures at most 2 %", "ttfa_p90 at most 1.5 s"."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.gating import FloorGate, GateVerdict
from aqaa_eval.reports.labels import number, seconds
from aqaa_eval.reports.latency import Percentiles
from aqaa_eval.reports.summary import GroupSummary, Summary

_TIMES = {"ttfa": "first_audio_s", "total": "total_s", "rtf": "real_time_factor"}
_PERCENTILES = ("p50", "p90", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """One demand, as it was written.

    Attributes:
        name: a suite or "overall", perhaps with ".METRIC"; or failures, a kind of failure, ttfa_p90, rtf_p50, ...
        bound: in the unit of what is measured: MOS points, a share, seconds, times real time.
        at_least: True for a lower bound.
    """

    name: str
    bound: float
    at_least: bool

    @property
    def demand(self) -> str:
        """In words: "singing at least 3.5"."""
        return f"{self.name} at {'least' if self.at_least else 'most'} {self.bound:g}"


def parse_floor(written: str, *, at_least: bool) -> Floor:
    """Read "singing=3.5", "failures=2%" or "ttfa_p90=1.5s".

    Raises:
        UsageError: not NAME=NUMBER.

    >>> parse_floor("failures=2%", at_least=False).bound
    0.02
    >>> parse_floor("ttfa_p90=1.5s", at_least=False).demand
    'ttfa_p90 at most 1.5'
    """
    name, sign, value = written.partition("=")
    text = value.strip()
    scale = 0.01 if text.endswith("%") else 0.001 if text.endswith("ms") else 1.0
    try:
        bound = float(text.rstrip("%").removesuffix("ms").removesuffix("s").strip()) * scale
    except ValueError as error:
        raise UsageError(
            f"{written!r}: write it as NAME=NUMBER, such as singing=3.5, failures=2% or ttfa_p90=1.5s"
        ) from error
    if not sign or not name.strip() or bound != bound:
        raise UsageError(f"{written!r}: write it as NAME=NUMBER, such as singing=3.5, failures=2% or ttfa_p90=1.5s")
    return Floor(name=name.strip(), bound=bound, at_least=at_least)


def hold_floors(floors: Sequence[Floor], summary: Summary) -> tuple[FloorGate, ...]:
    """Hold each demand against a run; what was not measured makes it incomplete.

    Raises:
        UnknownName: a name that is neither suite, failure nor time.
    """
    return tuple(_hold(floor, summary) for floor in floors)


def _hold(floor: Floor, summary: Summary) -> FloorGate:
    value, shown = _measure(floor.name, summary)
    if value is None:
        return FloorGate(demand=floor.demand, measured="nothing measured", verdict=GateVerdict.INCOMPLETE)
    holds = operator.ge if floor.at_least else operator.le
    verdict = GateVerdict.PASSED if holds(value, floor.bound) else GateVerdict.REGRESSION
    return FloorGate(demand=floor.demand, measured=shown, verdict=verdict)


def _measure(name: str, summary: Summary) -> tuple[float | None, str]:
    """The value behind a name, and in words."""
    groups = {"overall": summary.overall, **{suite.suite: suite for suite in summary.suites}}
    head, _, metric = name.partition(".")
    if head in groups:
        estimate = groups[head].metrics.get(metric or "mos")
        value = estimate.value if estimate else None
        return value, number(metric or "mos", value)
    if name == "failures" or name in set(Failure):
        share = _share_of_failures(name, summary.overall)
        return share, f"{100 * share:.1f} % of turns" if share is not None else ""
    kind, _, place = name.partition("_")
    if kind in _TIMES and place in _PERCENTILES:
        return _time(getattr(summary.overall.latency, _TIMES[kind]), place, unit="x" if kind == "rtf" else "s")
    times = [f"{kind}_{place}" for kind in _TIMES for place in _PERCENTILES]
    raise UnknownName("measure", name, [*groups, "failures", *map(str, Failure), *times])


def _share_of_failures(name: str, group: GroupSummary) -> float | None:
    if not group.n_turns:
        return None
    n = group.n_failures if name == "failures" else group.failures.get(Failure(name), 0)
    return n / group.n_turns


def _time(found: Percentiles | None, place: str, *, unit: str) -> tuple[float | None, str]:
    if found is None:
        return None, ""
    value: float = getattr(found, place)
    return value, seconds(value) if unit == "s" else f"{value:.2f} times real time"
