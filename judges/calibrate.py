"""How far a judge may be trusted: its scores in stored runs against people's ratings of the same answers.

Per metric, suite and overall: agreement in order, in level and in bias, with what people agree among each other beside
it: a judge cannot be asked to agree with people more than they do. Over several runs also by system. Optionally a curve
that lays the judge's scale onto people's, with what it brings on conversations that it has not seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aqaa_eval.core.attempt import Estimate, Score
from aqaa_eval.core.errors import DataError
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.judges.probes import Probe, Probed, run_probes
from aqaa_eval.judges.ratings import Problem, Rating, by_thing, scale_of
from aqaa_eval.metrics.agreement import (
    MEASURES,
    Measure,
    Rated,
    alpha_of_two,
    alpha_ordinal,
    estimate,
    quadratic_kappa,
    spearman,
)
from aqaa_eval.metrics.monotone import MIN_CLUSTERS, MonotoneCurve, cross_validated, fit_curve
from aqaa_eval.metrics.pairing import value_of

FORMAT = 1
OVERALL = "overall"
MIN_SYSTEMS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One metric of one suite, or of all.

    Attributes:
        judge: measures of the judge against the mean of people, by name.
        people: the same measures of one rater against the mean of the others; empty with one rater.
        alpha_people: Krippendorff's alpha among people; None with one rater.
    """

    metric: str
    suite: str
    judge: Mapping[str, Estimate]
    people: Mapping[str, Estimate]
    alpha_people: float | None
    n_raters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A curve for one metric, and what it brings on conversations that it was not fitted on.

    Attributes:
        judges: identities of the judges whose scores it was fitted on.
        before: kappa and bias as they are.
        after: with the curve, cross-validated.
    """

    metric: str
    judges: tuple[str, ...]
    curve: MonotoneCurve
    before: Mapping[str, Estimate]
    after: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """All that ratings say of a judge.

    Attributes:
        systems: per metric, the rank correlation of the runs' means; empty below three runs.
        lost: rated things that the judge has no score for, with the reason.
        problems: ratings that fit nothing in the runs.
    """

    agreements: tuple[Agreement, ...]
    systems: Mapping[str, Estimate]
    probes: Mapping[str, Sequence[Probe]]
    mapped: tuple[Mapped, ...]
    lost: tuple[str, ...]
    problems: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    run: str
    suite: str
    probed: Probed
    raters: Mapping[str, float]
    judge: str


def calibrate(
    runs: Mapping[str, RunLog], ratings: Sequence[Rating], *, seed: int = 0, n_resamples: int = 500
) -> Calibration:
    """Hold the scores of runs against people's ratings.

    Args:
        runs: by the name that ratings call them.
        ratings: of the answers in these runs.
        seed: of all resampling.
        n_resamples: draws per interval.

    Raises:
        DataError: several runs, and a rating that does not say which one it is of; or nothing that both sides rated.
    """
    items, lost, problems = _match(runs, ratings)
    if not items:
        told = "; ".join([*problems[:3], *lost[:3]]) or "the file has no ratings"
        raise DataError(f"no rating meets a score of the judge: {told}")
    measure = partial(_measure_all, seed=seed, n_resamples=n_resamples)
    agreements = []
    for metric, rated in items.items():
        suites = sorted({item.suite for item in rated})
        groups = [(OVERALL, rated), *((suite, [i for i in rated if i.suite == suite]) for suite in suites)]
        agreements += [_agreement(metric, suite, group, measure) for suite, group in groups]
    return Calibration(
        agreements=tuple(agreements),
        systems={
            metric: _systems(rated, seed=seed, n_resamples=n_resamples)
            for metric, rated in items.items()
            if len({item.run for item in rated}) >= MIN_SYSTEMS
        },
        probes={
            metric: run_probes([item.probed for item in rated], seed=seed, n_resamples=n_resamples)
            for metric, rated in items.items()
        },
        mapped=tuple(
            _mapped(metric, rated, measure, seed=seed)
            for metric, rated in items.items()
            if len({item.probed.rated.cluster for item in rated}) >= MIN_CLUSTERS
        ),
        lost=tuple(lost),
        problems=tuple(problems),
    )


def _match(
    runs: Mapping[str, RunLog], ratings: Sequence[Rating]
) -> tuple[dict[str, list[_Item]], list[str], list[str]]:
    only = next(iter(runs)) if len(runs) == 1 else ""
    attempts = {
        (name, attempt.suite, attempt.sample, attempt.repeat): attempt
        for name, log in runs.items()
        for attempt in log.attempts
    }
    items: dict[str, list[_Item]] = {}
    lost: list[str] = []
    problems: list[str] = []
    for thing, raters in sorted(by_thing(ratings).items()):
        run, suite, sample, repeat, turn, metric = thing
        name = f"{suite}/{sample}" + (f"@{repeat}" if repeat else "")
        attempt = attempts.get((run or only, suite, sample, repeat))
        if attempt is None or turn >= len(attempt.turns):
            where = f"run {run}" if run else "the run" if only else "several runs, and the rating has no run"
            problems.append(f"{name}{f' turn {turn + 1}' if turn >= 0 else ''}: not in {where}")
            continue
        value, judge, reason = _scored(attempt, metric, turn)
        if value is None:
            lost.append(f"{name}: {metric}: {reason}")
            continue
        people = sum(raters.values()) / len(raters)
        rated = Rated(cluster=f"{suite}/{sample}", judge=value, people=people)
        probed = Probed(rated=rated, answer=_words(attempt, turn), language=_language(attempt, turn))
        items.setdefault(metric, []).append(
            _Item(run=run or only, suite=suite, probed=probed, raters=raters, judge=judge)
        )
    return items, lost, problems


def _scored(attempt: AttemptLog, metric: str, turn: int) -> tuple[float | None, str, str]:
    """The judge's value, who it is, and why there is no value."""
    scores: Sequence[Score] = [score for score in attempt.scores if score.metric == metric]
    if turn >= 0 and any(score.turn is not None for score in scores):
        scores = [score for score in scores if score.turn == turn]
    if not scores:
        return None, "", "the judge of this run does not score it"
    value = value_of(scores, metric)
    reason = next((score.reason for score in scores if score.value is None), "")
    return value, scores[0].judge, reason


def _words(attempt: AttemptLog, turn: int) -> str:
    turns = attempt.turns if turn < 0 else attempt.turns[turn : turn + 1]
    return " ".join((t.transcript.text if t.transcript else t.text) or "" for t in turns)


def _language(attempt: AttemptLog, turn: int) -> str:
    return attempt.turns[max(0, turn)].question.answer_language


def _measures_of(metric: str) -> dict[str, Measure]:
    low, high = scale_of(metric)
    kappa = partial(quadratic_kappa, low=low, high=high)
    return {**MEASURES, "kappa": kappa, "alpha": alpha_of_two}


def _measure_all(rated: Sequence[Rated], metric: str, *, seed: int, n_resamples: int) -> dict[str, Estimate]:
    low, high = scale_of(metric)
    if any(not low <= item.judge <= high for item in rated):
        raise DataError(f"{metric}: the judge's values leave the scale {low:g} to {high:g}; rate what it scores")
    return {
        name: estimate(rated, measure, seed=seed, n_resamples=n_resamples)
        for name, measure in _measures_of(metric).items()
    }


def _agreement(
    metric: str, suite: str, items: Sequence[_Item], measure: Callable[[Sequence[Rated], str], dict[str, Estimate]]
) -> Agreement:
    several = [item for item in items if len(item.raters) > 1]
    among = [
        Rated(cluster=item.probed.rated.cluster, judge=value, people=_mean_without(item.raters, rater))
        for item in several
        for rater, value in item.raters.items()
    ]
    return Agreement(
        metric=metric,
        suite=suite,
        judge=measure([item.probed.rated for item in items], metric),
        people=measure(among, metric) if among else {},
        alpha_people=alpha_ordinal([list(item.raters.values()) for item in several]) if several else None,
        n_raters=len({rater for item in items for rater in item.raters}),
    )


def _mean_without(raters: Mapping[str, float], rater: str) -> float:
    others = [value for name, value in raters.items() if name != rater]
    return sum(others) / len(others)


def _systems(items: Sequence[_Item], *, seed: int, n_resamples: int) -> Estimate:
    """Rank correlation of the runs' means, conversations resampled for all runs at once."""
    runs = sorted({item.run for item in items})
    clusters = sorted({item.probed.rated.cluster for item in items})
    sums = np.zeros((len(clusters), len(runs), 3))
    for item in items:
        rated = item.probed.rated
        sums[clusters.index(rated.cluster), runs.index(item.run)] += (rated.judge, rated.people, 1.0)
    places = [Rated(cluster=name, judge=float(place), people=0.0) for place, name in enumerate(clusters)]

    def measure(chosen: Any, _: Any) -> float | None:
        totals = sums[chosen.astype(int)].sum(axis=0)
        kept = totals[totals[:, 2] > 0]
        if len(kept) < MIN_SYSTEMS:
            return None
        return spearman(kept[:, 0] / kept[:, 2], kept[:, 1] / kept[:, 2])

    found = estimate(places, measure, seed=seed, n_resamples=n_resamples)
    return replace(found, n=len(runs))


def _mapped(
    metric: str,
    items: Sequence[_Item],
    measure: Callable[[Sequence[Rated], str], dict[str, Estimate]],
    *,
    seed: int,
) -> Mapped:
    rated = [item.probed.rated for item in items]
    kept = ("kappa", "bias")
    before, after = measure(rated, metric), measure(cross_validated(rated, seed=seed), metric)
    return Mapped(
        metric=metric,
        judges=tuple(sorted({item.judge for item in items})),
        curve=fit_curve(rated),
        before={name: before[name] for name in kept},
        after={name: after[name] for name in kept},
    )


def write_curves(path: Path, calibration: Calibration, *, metrics: Sequence[str]) -> None:
    """Write curves for `--judge-set calibration=FILE`.

    Args:
        path: is replaced whole.
        calibration: has the curves.
        metrics: which of them.

    Raises:
        DataError: a metric has no curve, for want of conversations.
    """
    by_metric = {mapped.metric: mapped for mapped in calibration.mapped}
    missing = [metric for metric in metrics if metric not in by_metric]
    if missing or not metrics:
        raise DataError(
            f"no curve for {', '.join(missing) or 'anything'}: it takes {MIN_CLUSTERS} rated conversations per metric"
        )
    body = {
        "format": FORMAT,
        "curves": {
            metric: {
                "judges": by_metric[metric].judges,
                "judge": by_metric[metric].curve.judge,
                "people": by_metric[metric].curve.people,
                "n": by_metric[metric].before["kappa"].n,
            }
            for metric in metrics
        },
    }
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def file_hash(path: Path) -> str:
    """Eight hex digits of a calibration file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def problems_of(problems: Sequence[Problem], calibration: Calibration) -> list[str]:
    """All rows that did not count, in words."""
    return [*map(str, problems), *calibration.problems]
