"""What a run will take, from what some of its conversations took: time per stage, tokens, storage, each with its error.

The cost of n conversations is n times the sample's mean, with a 95 % prediction interval by Student's t: it covers both
what the sample's mean may be off and what n other conversations vary. It says nothing of what a sample cannot show:
other machines, servers under load, a network that is shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scipy.special import stdtrit

CONFIDENCE = 0.95
MIN_SAMPLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a conversation took; the mean over a batch where several were answered together.

    Attributes:
        seconds: by stage.
        n_answer_bytes: of its answers' sound.
        n_question_bytes: of the copies of its questions.
        n_record_bytes: in the store.
        n_prompt_tokens: that judges read.
        n_reply_tokens: that judges wrote.
    """

    seconds: Mapping[str, float]
    n_answer_bytes: float
    n_question_bytes: float
    n_record_bytes: float
    n_prompt_tokens: float
    n_reply_tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A prediction with its 95 % interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Range:
        """In another unit.

        >>> Range(value=7200.0, low=3600.0, high=10800.0).scaled(1 / 3600)
        Range(value=2.0, low=1.0, high=3.0)
        """
        return Range(value=self.value * factor, low=self.low * factor, high=self.high * factor)


def predict_total(values: Sequence[float], *, n: int) -> Range:
    """What n conversations take together, from what each of a sample took.

    >>> predict_total([2.0, 2.0, 2.0], n=100)
    Range(value=200.0, low=200.0, high=200.0)
    >>> found = predict_total([1.0, 2.0, 3.0], n=100)
    >>> round(found.value), found.low < 100 < 300 < found.high
    (200, True)

    Args:
        values: at least `MIN_SAMPLE`, each at least 0.
        n: conversations.

    Raises:
        ValueError: too few values.
    """
    size = len(values)
    if size < MIN_SAMPLE:
        raise ValueError(f"{size} conversations are too few to say how they vary: at least {MIN_SAMPLE}")
    mean = sum(values) / size
    variance = sum((value - mean) ** 2 for value in values) / (size - 1)
    quantile = float(stdtrit(size - 1, 0.5 + CONFIDENCE / 2))
    half = quantile * n * math.sqrt(variance * (1 / size + 1 / n))
    return Range(value=n * mean, low=max(0.0, n * mean - half), high=n * mean + half)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run takes.

    Attributes:
        n: conversations.
        n_gpus: that the stages of `workers` share, except those in `on_cpu`.
        wall_s: from beginning to end, loading included.
        gpu_s: time of all GPUs together, from beginning to end.
        busy_s: by stage, of all workers together.
        workers: by stage, so that all end together.
        n_bytes: answers, questions and records.
        n_prompt_tokens: that judges read.
        n_reply_tokens: that judges wrote.
    """

    n: int
    n_gpus: int
    wall_s: Range
    gpu_s: Range
    busy_s: Mapping[str, Range]
    workers: Mapping[str, int]
    n_bytes: Range
    n_prompt_tokens: Range
    n_reply_tokens: Range


def forecast(
    sample: Sequence[Measured], *, n: int, n_gpus: int, on_gpu: Sequence[str], load_s: float, n_new_questions: int
) -> Forecast:
    """Predict a run whose stages overlap, each with a pool of its own.

    Args:
        sample: conversations that were drawn at random.
        n: conversations of the run.
        n_gpus: GPUs that are shared by the stages in `on_gpu`, in proportion to their work.
        on_gpu: those stages; the others get as many workers on CPUs as keep up.
        load_s: seconds until the slowest tool is loaded.
        n_new_questions: conversations whose questions are stored: repeats share theirs.

    Raises:
        ValueError: too few conversations, or fewer GPUs than stages that need one.
    """
    stages = list(sample[0].seconds)
    shared = [stage for stage in stages if stage in on_gpu]
    if n_gpus < len(shared):
        raise ValueError(f"{n_gpus} GPUs are too few for {len(shared)} stages that need one each: {', '.join(shared)}")

    def total(of: Callable[[Measured], float], n_of: int = n) -> Range:
        return predict_total([of(one) for one in sample], n=n_of)

    busy = {stage: predict_total([one.seconds[stage] for one in sample], n=n) for stage in stages}
    workers = _divide({stage: busy[stage].value for stage in shared}, n_gpus)
    paced = {stage: busy[stage].value / workers[stage] for stage in shared} or {
        stage: busy[stage].value for stage in stages
    }
    pace_s = max(*paced.values(), 1e-9)
    for stage in stages:
        # By the upper end: what is cheap must not hold up what is dear.
        workers.setdefault(stage, max(1, math.ceil(busy[stage].high / pace_s)) if shared else 1)
    # The stages overlap, so the slowest pool sets the pace.
    spread = [busy[stage].scaled(1 / workers[stage]) for stage in stages]
    wall = Range(
        value=load_s + max(part.value for part in spread),
        low=load_s + max(part.low for part in spread),
        high=load_s + max(part.high for part in spread),
    )
    stored = [total(lambda one: one.n_answer_bytes + one.n_record_bytes)]
    if n_new_questions:
        stored.append(total(lambda one: one.n_question_bytes, n_new_questions))
    return Forecast(
        n=n,
        n_gpus=n_gpus,
        wall_s=wall,
        gpu_s=wall.scaled(n_gpus if shared else 0),
        busy_s=busy,
        workers={stage: workers[stage] for stage in stages},
        n_bytes=Range(
            value=sum(part.value for part in stored),
            low=sum(part.low for part in stored),
            high=sum(part.high for part in stored),
        ),
        n_prompt_tokens=total(lambda one: one.n_prompt_tokens),
        n_reply_tokens=total(lambda one: one.n_reply_tokens),
    )


def _divide(work: Mapping[str, float], n: int) -> dict[str, int]:
    """Share n workers among stages in proportion to their work, at least one each; the largest remainders round up.

    >>> _divide({"generate": 8.0, "transcribe": 2.0}, 100)
    {'generate': 80, 'transcribe': 20}
    >>> _divide({"generate": 1.0, "transcribe": 0.0}, 2)
    {'generate': 1, 'transcribe': 1}
    """
    if not work:
        return {}
    whole = sum(work.values()) or 1.0
    free = n - len(work)
    exact = {stage: max(0.0, n * value / whole - 1) for stage, value in work.items()}
    scale = free / (sum(exact.values()) or 1.0)
    shares = {stage: 1 + math.floor(value * scale + 1e-9) for stage, value in exact.items()}
    rest = sorted(work, key=lambda stage: (math.floor(exact[stage] * scale + 1e-9) - exact[stage] * scale, stage))
    for stage in rest[: n - sum(shares.values())]:
        shares[stage] += 1
    return shares
