"""What the list of conversations knows of each one: how it is found, filtered, ordered and named.

The rest of a conversation is laid out only when it is opened; see `reports.body`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aqaa_eval.core.attempt import Evidence, Score
from aqaa_eval.core.runlog import AttemptLog, RunLog
from aqaa_eval.reports.labels import number
from aqaa_eval.reports.summary import RATIO_METRICS, failures_of

_MAX_LEAD = 160  # characters of the first question that the closed list shows
_RIVALS = (
    ("content", "judge_content"),
    ("content", "checks_content"),
    ("delivery", "judge_delivery"),
    ("delivery", "checks_delivery"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One conversation of the run.

    Attributes:
        anchor: id of its element: the permalink.
        key: its name in the run.
        suite: id, for the filter.
        lead: the first question, as text, cut.
        mos: the fused MOS as text.
        values: mean of each metric that has a value, by name.
        split: how far its judges are apart, in levels; None if there is only one.
        gap: error rate of its speech against the model's own text; None if there is none.
        languages: of its questions and of the answers asked for.
        kinds: ids of its failures.
        n_passed: checks that hold.
        n_checks: all checks.
    """

    anchor: str
    key: str
    suite: str
    lead: str
    mos: str
    values: Mapping[str, float]
    split: float | None
    gap: float | None
    languages: tuple[str, ...]
    kinds: tuple[str, ...]
    n_passed: int
    n_checks: int


def audio_names(log: RunLog) -> list[str]:
    """File names of all recordings in the order of the page, each once."""
    turns = (turn for attempt in log.attempts for turn in attempt.turns)
    names = (name for turn in turns for name in (turn.question.audio, turn.audio) if name is not None)
    return list(dict.fromkeys(names))


def item_view(attempt: AttemptLog) -> ItemView:
    """One conversation as the list shows it."""
    checks = checks_of(attempt)
    values = _values(attempt.scores)
    asked = [turn.question for turn in attempt.turns]
    languages = [tag for question in asked for tag in (question.language, question.answer_language) if tag]
    return ItemView(
        anchor=anchor_of(attempt.key),
        key=attempt.key,
        suite=attempt.suite,
        lead=asked[0].text[:_MAX_LEAD] if asked else "",
        mos=number("mos", values.get("mos")),
        values=values,
        split=_split(values),
        gap=values.get("fidelity"),
        languages=tuple(dict.fromkeys(languages)),
        kinds=tuple(kind.value for kind in dict.fromkeys(failures_of(attempt))),
        n_passed=sum(check.passed for check in checks),
        n_checks=len(checks),
    )


def checks_of(attempt: AttemptLog) -> tuple[Evidence, ...]:
    """All that was looked at, each once, in the order in which the scores tell it."""
    return tuple(dict.fromkeys(evidence for score in attempt.scores for evidence in score.evidence))


def _values(scores: Iterable[Score]) -> dict[str, float]:
    """Means over turns; of an error rate, errors over words."""
    sums: dict[str, tuple[float, float]] = {}
    for score in scores:
        weight = score.weight if score.metric in RATIO_METRICS else 1.0
        if score.value is not None and weight > 0:
            total, n = sums.get(score.metric, (0.0, 0.0))
            sums[score.metric] = total + score.value * weight, n + weight
    return {metric: total / n for metric, (total, n) in sums.items()}


def _split(values: Mapping[str, float]) -> float | None:
    """The panel's own disagreement, or the distance of the fused judge from the one beside it: whichever is larger."""
    apart = [abs(values[one] - values[other]) for one, other in _RIVALS if one in values and other in values]
    if "disagreement" in values:
        apart.append(values["disagreement"])
    return max(apart, default=None)


def anchor_of(key: str) -> str:
    """A permalink that is safe in any address: unchanged names where they allow it, else with a hash behind.

    >>> anchor_of("gaming/g03@1")
    'item-gaming-g03-r1'
    >>> anchor_of("gaming/a b")
    'item-gaming-a-b-e0fdc34f'
    """
    plain_key = re.fullmatch(r"([a-z0-9_]+)/([A-Za-z0-9_]+)(?:@(\d+))?", key)
    if plain_key:
        suite, sample, repeat = plain_key.groups()
        return f"item-{suite}-{sample}" + (f"-r{repeat}" if repeat else "")
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:8]
    return f"item-{re.sub(r'[^A-Za-z0-9_]+', '-', key)[:60]}-{digest}"
