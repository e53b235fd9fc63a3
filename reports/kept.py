"""How much of the clean score is kept when the questions come through noise, a room, a telephone: two runs, paired.

The share is the sum of the perturbed MOS over the sum of the clean one, of the same conversations and repeats. MOS
begins at 1, so a model that answers nothing keeps 1 / MOS, not 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.core.chain import chain_differences
from aqaa_eval.core.errors import NotComparable, UsageError
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.metrics.pairing import value_of
from aqaa_eval.metrics.uncertainty import ratio_estimate
from aqaa_eval.reports.macro import Counts, macro_estimate

METRIC = "mos"
Pairs = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Shares of the clean score.

    Attributes:
        perturb: what was done to the questions.
        clean: name of the clean run's folder.
        suites: share by suite, in the order of the run; `unscored` counts pairs of which a half has no score.
        titles: by suite.
        overall: mean of the suites' shares.
    """

    perturb: tuple[str, ...]
    clean: str
    suites: Mapping[str, Estimate]
    titles: Mapping[str, str]
    overall: Estimate


def share_kept(log: RunLog, clean: RunLog) -> Kept:
    """Lay a perturbed run over the clean one.

    Raises:
        UsageError: the run is not perturbed, or the clean one is.
        NotComparable: they differ in more than that; the message names each difference.
    """
    refuse_other_runs(log, clean)
    before = {attempt.key: attempt for attempt in clean.attempts}
    pairs: dict[str, Pairs] = {suite: {} for suite in log.cards}
    lost = dict.fromkeys(log.cards, 0)
    for attempt in log.attempts:
        pair = _pair(attempt, before.pop(attempt.key, None))
        if pair is None:
            lost[attempt.suite] += 1
        else:
            pairs[attempt.suite].setdefault(f"{attempt.suite}/{attempt.sample}", []).append(pair)
    for attempt in before.values():  # asked clean, and not (yet) perturbed
        lost[attempt.suite] += 1
    return Kept(
        perturb=log.spec.perturb,
        clean=clean.folder.name,
        suites={suite: ratio_estimate(found, unscored=lost[suite]) for suite, found in pairs.items()},
        titles={suite: card.title for suite, card in log.cards.items()},
        overall=macro_estimate(pairs, Counts(unscored=sum(lost.values()))),
    )


def refuse_other_runs(log: RunLog, clean: RunLog) -> None:
    """Refuse two runs that are not the same but for the perturbation.

    Raises:
        UsageError, NotComparable: as `share_kept`.
    """
    if not log.spec.perturb or clean.spec.perturb:
        what = f"{clean.folder} is perturbed" if clean.spec.perturb else f"{log.folder} is not perturbed"
        raise UsageError(f"--clean: {what}; give a run made with --perturb, and --clean with one made without")
    ours, theirs = (run.spec.model_dump(exclude={"perturb"}) for run in (log, clean))
    differing = [f"{name} {ours[name]!r} against {theirs[name]!r}" for name in ours if ours[name] != theirs[name]]
    if log.manifest.model != clean.manifest.model:
        differing.append(f"model {log.manifest.model} against {clean.manifest.model}")
    differing += [str(found) for found in chain_differences([log, clean]) if found.part != "perturb"]
    differing += _other_versions(log, clean)
    if differing:
        raise NotComparable(
            f"the runs differ in more than what was done to the questions: {'; '.join(differing)}. Make the clean run "
            "with the same command without --perturb"
        )


def _other_versions(log: RunLog, clean: RunLog) -> list[str]:
    ours, theirs = log.manifest.versions, clean.manifest.versions
    return [
        f"version of {name}: {ours.get(name, 'none')} against {theirs.get(name, 'none')}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]


def _pair(attempt: AttemptLog, clean: AttemptLog | None) -> tuple[float, float] | None:
    after = value_of(attempt.scores, METRIC)
    before = value_of(clean.scores, METRIC) if clean is not None else None
    return None if after is None or before is None else (after, before)


def kept_rows(kept: Kept) -> Sequence[tuple[str, Estimate]]:
    """Title and share of every suite, and of the whole last."""
    return [*((kept.titles[suite], share) for suite, share in kept.suites.items()), ("Overall", kept.overall)]


def percent(share: float | None) -> str:
    """A share for a reader.

    >>> percent(0.877), percent(None)
    ('87.7 %', '–')
    """
    return "–" if share is None else f"{100 * share:.1f} %"


def percent_interval(share: Estimate) -> str:
    """Its 95 % interval; a dash if there is none."""
    if share.low is None:
        return "–"
    return "no spread" if share.low == share.high else f"{percent(share.low)} to {percent(share.high)}"
