"""Whether a segment of an answer shows its voice state: measured rate, pitch, level and voicing against a plain one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aqaa_eval.core.attempt import Evidence
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.performance import Phrase
from aqaa_eval.metrics.acoustics import Delivery

FASTER, SLOWER = 1.15, 0.87
SEMITONES, LEVEL_DB = 1.5, 3.0
WHISPERED = 0.5
"""A whisper has at most that share of the plain segment's voiced frames."""


def cut(audio: Audio, lengths: Sequence[int]) -> list[Audio]:
    """The sound in parts whose lengths are in these proportions."""
    total, edges = sum(lengths), [0]
    for length in lengths:
        edges.append(edges[-1] + length)
    places = [round(edge * len(audio.samples) / total) for edge in edges]
    return [
        Audio(samples=audio.samples[start:end].copy(), sample_rate_hz=audio.sample_rate_hz)
        for start, end in pairwise(places)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Demand:
    """One side of a state: a ratio or difference against the plain segment, and the bound that it must pass."""

    name: str
    found: float | None
    bound: float
    is_upper: bool

    @property
    def holds(self) -> bool:
        if self.found is None:
            return False
        return self.found <= self.bound if self.is_upper else self.found >= self.bound


def shown(phrase: Phrase, part: Delivery, plain: Delivery, *, turn: int) -> Evidence:
    """Whether a segment shows its state, all sides of it.

    Args:
        phrase: with the manner.
        part: of the segment, as measured.
        plain: of the segment without a manner.
        turn: for the evidence.
    """
    demands = list(_demands(phrase, part, plain))
    told = "; ".join(
        f"{demand.name} {'cannot be measured' if demand.found is None else f'{demand.found:+.2f}'}, "
        f"{'at most' if demand.is_upper else 'at least'} {demand.bound:g}"
        for demand in demands
    )
    return Evidence(
        turn=turn,
        name=f"shows({phrase.say})",
        passed=all(demand.holds for demand in demands),
        measured=told,
        part="delivery",
    )


def _demands(phrase: Phrase, part: Delivery, plain: Delivery) -> Iterator[_Demand]:
    if phrase.rate != 1.0:
        rate = _ratio(part.syllables_per_s, plain.syllables_per_s)
        is_slow = phrase.rate < 1.0
        yield _Demand(name="rate", found=rate, bound=SLOWER if is_slow else FASTER, is_upper=is_slow)
    if phrase.semitones:
        moved = _semitones(part.pitch_hz, plain.pitch_hz)
        is_low = phrase.semitones < 0
        yield _Demand(name="semitones", found=moved, bound=-SEMITONES if is_low else SEMITONES, is_upper=is_low)
    if phrase.gain_db:
        known = part.level_dbfs is not None and plain.level_dbfs is not None
        level = (part.level_dbfs or 0.0) - (plain.level_dbfs or 0.0) if known else None
        is_soft = phrase.gain_db < 0
        yield _Demand(name="level, dB", found=level, bound=-LEVEL_DB if is_soft else LEVEL_DB, is_upper=is_soft)
    if phrase.whisper:
        voiced = _ratio(part.voiced_share, plain.voiced_share)
        yield _Demand(name="voiced share", found=voiced, bound=WHISPERED, is_upper=True)


def _ratio(part: float | None, plain: float | None) -> float | None:
    return None if part is None or not plain else part / plain


def _semitones(part_hz: float | None, plain_hz: float | None) -> float | None:
    return None if not part_hz or not plain_hz else 12 * math.log2(part_hz / plain_hz)
