"""Who says which of two answers of the model in training is better: the project's own judges."""

from __future__ import annotations

from collections.abc import Sequence

from aqaa_eval.catalog import check_predictors
from aqaa_eval.catalog.ears import make_transcriber
from aqaa_eval.cli.training_checks import checks_of
from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.checking import Heard
from aqaa_eval.core.protocols import Clip
from aqaa_eval.judges.quality import DistillMos
from aqaa_eval.metrics.word_errors import count_word_errors
from aqaa_eval.reference_model.training.domain.pairs import DomainPair
from aqaa_eval.reference_model.training.preferences import Candidate
from aqaa_eval.tasks.checks import evaluate

EAR = "whisper:base"
MOS_WEIGHT = 0.2
"""The whole range of MOS is worth a fifth of the words: of two answers that are as right, the clearer is better."""


class AnswerJudge:
    """Worth of an answer, by what it wrote and by what was heard of it.

    The share of the question's checks that hold on its speech, less the word errors of its text against the right words
    and of its speech against its text, and a fifth of its predicted MOS, which goes from 0 to 1 here. An answer without
    sound holds no check and has no MOS.
    """

    def __init__(self) -> None:
        """Take note of ear and predictor; they are loaded when they are needed.

        Raises:
            MissingWeights, UsageError: one of them is not on this machine; the message says what to do.
        """
        check_predictors(["distillmos"])
        ear = make_transcriber(EAR)
        assert ear is not None  # the name is not "none"
        self._ear = ear
        self._predictor = DistillMos()

    def __call__(self, pair: DomainPair, candidates: Sequence[Candidate]) -> list[float]:
        """Worth of each candidate: 1.2 at best."""
        return [self._worth(pair, each) for each in candidates]

    def _worth(self, pair: DomainPair, candidate: Candidate) -> float:
        worth = -_error_rate(pair.said, candidate.text)
        if not len(candidate.samples):
            return worth - _error_rate(candidate.text, "")
        sound = from_samples(candidate.samples, sample_rate_hz=candidate.sample_rate_hz)
        text = self._ear.transcribe([Clip(audio=sound, language="en")])[0].text
        mos = (self._predictor.predict([sound])[0] - 1) / 4
        return worth - _error_rate(candidate.text, text) + _checks_held(pair, text, sound) + MOS_WEIGHT * mos


def _checks_held(pair: DomainPair, text: str, sound: Audio) -> float:
    checks = checks_of(pair)
    heard = Heard(text=text, language="en", audio=sound)
    return sum(evaluate(check, heard).passed for check in checks) / len(checks)


def _error_rate(reference: str, hypothesis: str) -> float:
    rate = count_word_errors(reference=reference, hypothesis=hypothesis, language="en").rate
    return rate if rate is not None else float(bool(hypothesis.strip()))
