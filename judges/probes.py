"""What a judge favours beside what people do: length, politeness, a language; measured on the same ratings.

A probe looks at the judge's value minus people's. People may like long or polite answers too; what counts is whether
the judge likes them more than people do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.agreement import Floats, Rated, estimate, spearman

MIN_ITEMS = 10
_POLITE = re.compile(
    r"\b(?:please|thank(?:s| you)|sorry|certainly|of course|sure|great question|happy to|glad to|welcome)\b"
    r"|请|谢谢|当然|很高兴|抱歉|ありがとう|ください|もちろん|すみません",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One rated thing with what is probed.

    Attributes:
        rated: both sides' values.
        answer: the words that were judged.
        language: that was asked for.
    """

    rated: Rated
    answer: str
    language: str

    @property
    def excess(self) -> float:
        """The judge's value minus people's."""
        return self.rated.judge - self.rated.people


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One possible bias.

    Attributes:
        unit: of the value: "rank correlation" in [-1, 1], or "levels".
        told: what the value says.
    """

    name: str
    unit: str
    told: str
    estimate: Estimate

    @property
    def is_found(self) -> bool:
        """True if the interval excludes 0."""
        low, high = self.estimate.low, self.estimate.high
        return low is not None and high is not None and not low <= 0 <= high


def is_polite(text: str) -> bool:
    """Whether an answer has words of politeness.

    >>> is_polite("Certainly! It is four."), is_polite("Four.")
    (True, False)
    """
    return _POLITE.search(text) is not None


def length_of(text: str) -> int:
    """Words, or characters where a language has no spaces between words.

    >>> length_of("one two"), length_of("富士山です")
    (2, 5)
    """
    return sum(1 if ord(word[0]) < 0x2E80 else len(word) for word in text.split())


def run_probes(items: Sequence[Probed], *, seed: int = 0, n_resamples: int = 500) -> list[Probe]:
    """All probes that the items allow; one needs ten on either side.

    Args:
        items: what was rated by both sides.
        seed: of the resampling.
        n_resamples: draws per interval.
    """
    probes = []
    if len(items) >= MIN_ITEMS:
        lengths = [
            Rated(cluster=item.rated.cluster, judge=item.excess, people=math.log1p(length_of(item.answer)))
            for item in items
        ]
        found = estimate(lengths, spearman, seed=seed, n_resamples=n_resamples)
        told = "the judge's excess over people against the length of the answer"
        probes.append(Probe(name="length", unit="rank correlation", told=told, estimate=found))
    groups = {"politeness": [is_polite(item.answer) for item in items]}
    for language in sorted({item.language for item in items}):
        groups[f"language {language}"] = [item.language == language for item in items]
    for name, marks in groups.items():
        if min(sum(marks), len(marks) - sum(marks)) < MIN_ITEMS:
            continue
        found = _difference(items, marks, seed=seed, n_resamples=n_resamples)
        told = "the judge's excess over people with it, minus without it"
        probes.append(Probe(name=name, unit="levels", told=told, estimate=found))
    return probes


def _difference(items: Sequence[Probed], marks: Sequence[bool], *, seed: int, n_resamples: int) -> Estimate:
    marked = [
        Rated(cluster=item.rated.cluster, judge=item.excess, people=float(mark))
        for item, mark in zip(items, marks, strict=True)
    ]
    return estimate(marked, _gap, seed=seed, n_resamples=n_resamples)


def _gap(excess: Floats, marks: Floats) -> float | None:
    inside = marks > 0
    if not inside.any() or inside.all():
        return None
    return float(np.mean(excess[inside]) - np.mean(excess[~inside]))
