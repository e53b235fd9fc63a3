"""Which of two answers is better: heard, read and checked by the project's own judges, on real speech."""

from __future__ import annotations

import numpy as np
import pytest

from aqaa_eval.cli.training_judge import AnswerJudge
from aqaa_eval.core.errors import AqaaError
from aqaa_eval.core.weights import is_present
from aqaa_eval.reference_model.training.domain.kinds import Manner
from aqaa_eval.reference_model.training.domain.pairs import TRAIN, DomainPair
from aqaa_eval.reference_model.training.preferences import Candidate
from aqaa_eval.tasks.speaking.voices import speak

PLUS = DomainPair(
    key="plus",
    template="plus",
    slots={"first": "four", "second": "five"},
    capability="reasoning",
    split=TRAIN,
    question="What is four plus five?",
    language="en",
    asker="hibari",
    rate=1.0,
    semitones=0.0,
    pitch_range=1.0,
    snr_db=None,
    answer="Nine.",
    said="The answer is nine.",
    manner=Manner(),
    seed=0,
)


@pytest.fixture(scope="module")
def judge() -> AnswerJudge:
    if not is_present("whisper:base"):
        pytest.skip("needs weights: aqaa-eval fetch whisper:base")
    try:
        return AnswerJudge()
    except AqaaError as error:
        pytest.skip(str(error))


def test_right_words_that_are_heard_are_best_and_silence_is_worst(judge: AnswerJudge) -> None:
    right, wrong = "The answer is nine.", "The answer is seven."

    def candidate(text: str, says: str) -> Candidate:
        sound = speak(says, voice="hibari", language="en", rate=1.0)
        return Candidate(text=text, samples=sound.samples, sample_rate_hz=sound.sample_rate_hz)

    clean = candidate(right, right)
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(clean.samples)).astype(np.float32)
    worth = judge(
        PLUS,
        [
            clean,
            Candidate(text=right, samples=clean.samples + noise, sample_rate_hz=clean.sample_rate_hz),
            candidate(wrong, wrong),
            candidate(right, wrong),
            Candidate(text=right, samples=np.zeros(0, np.float32), sample_rate_hz=24_000),
        ],
    )
    best, noisy, other_words, other_sound, silent = worth
    assert 1.1 < best <= 1.2  # every check and no word wrong, and MOS near its end
    assert best - 0.2 < noisy < best - 0.02  # only MOS tells them apart
    assert other_words < best - 1.0  # no check holds, and a word of four is wrong
    assert other_sound < best - 1.0
    assert silent == pytest.approx(-1.0)  # no word of its text was heard
