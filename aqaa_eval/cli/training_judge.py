"""Who says which of two answers of the model in training is better: its own words, written and heard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from aqaa_eval.core.audio import from_samples
from aqaa_eval.metrics.word_errors import count_word_errors
from aqaa_eval.reference_model.training.domain.pairs import DomainPair
from aqaa_eval.reference_model.training.preferences import Candidate

if TYPE_CHECKING:
    from aqaa_eval.core.protocols import Transcriber

EAR = "whisper:tiny.en"


class OwnWordsJudge:
    """Worth of an answer: less the errors of its text against the right words, and of its speech against its text."""

    def __call__(self, pair: DomainPair, candidates: Sequence[Candidate]) -> list[float]:
        """Worth of each candidate."""
        heard = self._heard(candidates)
        return [
            -_error_rate(pair.said, each.text) - _error_rate(each.text, text)
            for each, text in zip(candidates, heard, strict=True)
        ]

    def _heard(self, candidates: Sequence[Candidate]) -> list[str]:
        from aqaa_eval.core.protocols import Clip

        clips = [
            Clip(audio=from_samples(each.samples, sample_rate_hz=each.sample_rate_hz), language="en")
            for each in candidates
        ]
        return [transcript.text for transcript in self._ear.transcribe(clips)]

    @cached_property
    def _ear(self) -> Transcriber:
        from aqaa_eval.catalog.ears import make_transcriber

        ear = make_transcriber(EAR)
        assert ear is not None  # the name is not "none"
        return ear


def _error_rate(reference: str, hypothesis: str) -> float:
    rate = count_word_errors(reference=reference, hypothesis=hypothesis, language="en").rate
    return rate if rate is not None else float(bool(hypothesis.strip()))
