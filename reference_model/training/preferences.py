"""Preference pairs from a model's own answers: two are drawn for a question, and a judge says which is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.reference_model.generate import Request, generate
from aqaa_eval.reference_model.layout import parse_answer, parse_layout
from aqaa_eval.reference_model.model import StepAudioAQAA
from aqaa_eval.reference_model.training.domain.pairs import DomainPair
from aqaa_eval.reference_model.training.rows import CodedExample, write_coded_prompt

LAYOUT = "interleave_10_15"
TEMPERATURE = 1.2
"""Two answers must be able to differ: at the published 0.7 a trained model gave one pair in 160 questions."""
MARGIN = 0.1
"""An answer that is better by less is not better: so much lies between two recordings of the same words."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """One answer to be judged.

    Attributes:
        text: what the model wrote.
        samples: what it said, float32.
        sample_rate_hz: its sample rate.
    """

    text: str
    samples: NDArray[np.float32]
    sample_rate_hz: int


Rank = Callable[[DomainPair, Sequence[Candidate]], Sequence[float]]
"""Worth of each answer to a question; the higher the better."""


def answered_twice(
    model: StepAudioAQAA,
    asked: Sequence[tuple[DomainPair, CodedExample]],
    rank: Rank,
    *,
    watch: Callable[[str, int, int, Mapping[str, float]], None] | None = None,
) -> list[dict[str, Any]]:
    """Draw two answers to each question and put the better one first.

    Answers in the same words teach masked DPO nothing, and plain DPO is its control and has to see the same pairs; so
    these are left out, as are answers of like worth. How many is told with the pairs found.

    Returns:
        for each pair its key, the ids of prompt, chosen and rejected answer, and their worth.
    """
    rows: list[dict[str, Any]] = []
    waiting = iter(asked)
    n_done = n_same = n_alike = 0
    while part := list(islice(waiting, _AT_ONCE)):
        for pair, prompt, answers in _draw(model, part):
            candidates = [_candidate(model, ids) for ids in answers]
            if candidates[0].text == candidates[1].text:
                n_same += 1
                continue
            worth = [float(value) for value in rank(pair, candidates)]
            if abs(worth[0] - worth[1]) < MARGIN:
                n_alike += 1
                continue
            best = int(worth[1] > worth[0])
            rows.append(
                {
                    "key": pair.key,
                    "prompt": prompt,
                    "chosen": answers[best],
                    "rejected": answers[1 - best],
                    "worth": [worth[best], worth[1 - best]],
                }
            )
        n_done += len(part)
        if watch:
            watch("preferences", n_done, len(asked), {"pairs": len(rows), "same": n_same, "alike": n_alike})
    return rows


def _draw(
    model: StepAudioAQAA, part: Sequence[tuple[DomainPair, CodedExample]]
) -> list[tuple[DomainPair, list[int], list[list[int]]]]:
    prompts = [
        write_coded_prompt(example, vocabulary=model.vocabulary, convention=model.config.prompt_convention)
        for _, example in part
    ]
    request = Request(
        prompts=tuple(tuple(prompt) for prompt in prompts for _ in range(2)),
        seeds=tuple(pair.seed + turn for pair, _ in part for turn in range(2)),
        layout=parse_layout(LAYOUT),
        sampling=replace(model.published_sampling(), temperature=TEMPERATURE),
    )
    ids = [list(answer.ids) for answer in generate(model.backbone, model.vocabulary, request)]
    return [
        (pair, prompt, ids[2 * place : 2 * place + 2])
        for place, ((pair, _), prompt) in enumerate(zip(part, prompts, strict=True))
    ]


def _candidate(model: StepAudioAQAA, ids: Sequence[int]) -> Candidate:
    codes = parse_answer(ids, parse_layout(LAYOUT), model.vocabulary).codes
    samples = np.zeros(0, np.float32)
    rate_hz = model.vocoder.sample_rate_hz
    if codes:
        wave, rate_hz = model.vocoder.synthesize(list(codes), 0)
        samples = wave.numpy()
    return Candidate(text=model.vocabulary.decode(ids).strip(), samples=samples, sample_rate_hz=rate_hz)
