"""Rows and cells of the page's tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.runlog import RunLog
from aqaa_eval.reports.kept import percent
from aqaa_eval.reports.labels import MEASUREMENTS, NOTHING, number
from aqaa_eval.reports.summary import Summary
from aqaa_eval.reports.texts import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow:
    """One line of the measuring chain.

    Attributes:
        key: of its name among the page's texts.
        of: what it is the line of (an option, a suite, a package); "" if there is only one.
        value: as the run has it; "" for none.
    """

    key: str
    value: str
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGroup:
    """One table of metrics by suite: the scores, or the measurements."""

    name: str
    metrics: tuple[str, ...]


def metric_groups(summary: Summary) -> list[MetricGroup]:
    """What stands beside the fused MOS; a group without metrics is left out."""
    beside = [metric for metric in summary.overall.metrics if metric != "mos"]
    scores = tuple(metric for metric in beside if metric not in MEASUREMENTS)
    measured = tuple(metric for metric in beside if metric in MEASUREMENTS)
    groups = (MetricGroup(name="parts", metrics=scores), MetricGroup(name="parts.measured", metrics=measured))
    return [group for group in groups if group.metrics or group.name == "parts"]


def chain_rows(log: RunLog) -> Sequence[ChainRow]:
    """What measured the run: the chain itself first, then options, hashes of data and versions."""
    spec, manifest = log.spec, log.manifest
    named = {
        "model": manifest.model,
        "asr": manifest.asr,
        "second_asr": "" if spec.second_asr == "none" else spec.second_asr,
        "judge": manifest.judge,
        "normaliser": manifest.normaliser,
        "channel": spec.channel,
        "speech": ", ".join(spec.speech_mos),
        "seed": str(spec.seed),
        "repeats": str(spec.repeats),
        "perturb": ", ".join(spec.perturb),
        "limit": "" if spec.limit is None else str(spec.limit),
        "spec": spec.fingerprint,
    }
    rows = [ChainRow(key=f"chain.{key}", value=value) for key, value in named.items()]
    for options in (spec.model_options, spec.suite_options, spec.asr_options, spec.judge_options):
        rows += [ChainRow(key="chain.option", of=name, value=str(value)) for name, value in sorted(options.items())]
    rows += [ChainRow(key="chain.data", of=suite, value=digest) for suite, digest in manifest.suites.items()]
    return rows + [ChainRow(key="chain.version", of=of, value=value) for of, value in sorted(manifest.versions.items())]


def cells(writer: Writer) -> dict[str, Callable[..., Any]]:
    """How templates write an estimate's interval."""

    def between(low: float | None, high: float | None, write: Callable[[float | None], str]) -> Any:
        if low is None or high is None:
            return NOTHING
        if low == high:
            return writer.words("no_spread")
        return writer.words("to", write(low).removesuffix(" %"), write(high))

    def interval(metric: str, estimate: Estimate) -> Any:
        return between(estimate.low, estimate.high, lambda value: number(metric, value))

    def percent_interval(share: Estimate) -> Any:
        return between(share.low, share.high, percent)

    return {"interval": interval, "percent_interval": percent_interval}
