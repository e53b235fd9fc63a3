"""Judges over the scripted server, and conversations for them to judge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from aqaa_eval.core.attempt import Attempt, Response, Timing, Transcript, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.core.sample import AudioFile, Sample, Turn
from aqaa_eval.judges.llm import LlmJudge
from aqaa_eval.judges.llm_build import build

QUICK: dict[str, OptionValue] = {"backoff_s": 0.02, "timeout_s": 2.0, "acoustics": False, "concurrency": 32}
SOUND = Audio(samples=(0.1 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32), sample_rate_hz=16_000)


@contextmanager
def llm_judge(
    base_url: str, *, models: str = "openai:m", verdicts: Path | None = None, **options: OptionValue
) -> Iterator[LlmJudge]:
    judge = build(models.split(","), {**QUICK, "base_url": base_url, **options}, verdicts=verdicts)
    try:
        yield judge
    finally:
        judge.close()


def conversation(
    answers: list[str | None],
    *,
    suite: str = "role_play",
    id: str = "c01",
    audio: Audio = SOUND,
    checklist: tuple[str, ...] = (),
    reference: str | None = None,
    language: str = "en",
) -> Attempt:
    """One attempt; an answer that is None has no sound."""
    asked, turns = [], []
    for index, answer in enumerate(answers):
        asked.append(
            Turn(
                audio=AudioFile(path=Path("question.ogg")),
                text=f"Question {index + 1} of {id}?",
                language=language,
                answer_language=language,
                checklist=checklist,
                reference=reference,
            )
        )
        timing = Timing(first_audio_s=0.1, total_s=0.5)
        response = Response(audio=audio if answer is not None else None, text=answer, timing=timing)
        transcript = Transcript(text=answer or "", language=language, confidence=0.9, asr="stub") if answer else None
        turns.append(TurnAttempt(index=index, response=response, transcript=transcript))
    sample = Sample(suite=suite, id=id, turns=tuple(asked))
    return Attempt(sample=sample, repeat=0, turns=tuple(turns))
