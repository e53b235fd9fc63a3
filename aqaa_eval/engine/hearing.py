"""The transcribing stage's ear: answers of one or several conversations at once, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aqaa_eval.core.attempt import Transcript, TurnAttempt
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip, Transcriber
from aqaa_eval.core.sample import Sample
from aqaa_eval.engine.records import Heard
from aqaa_eval.metrics.answer_language import wrong_language


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One answer that has sound."""

    sample: Sample
    attempt: TurnAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Has answers transcribed.

    Attributes:
        transcriber: the ear.
        languages: of the suites' cards, by suite id: those that an answer is most probably in.
    """

    transcriber: Transcriber
    languages: Mapping[str, tuple[str, ...]]

    def hear(self, spoken: Sequence[Spoken]) -> list[Heard]:
        """What is heard in each answer, in order.

        An outage is a failed measurement, never an empty (or perfect) transcript. If the ear breaks on several at
        once, each is tried alone: one recording that it cannot bear does not cost the others theirs.
        """
        if not spoken:
            return []
        clips = [self._clip(one) for one in spoken]
        try:
            transcripts = self.transcriber.transcribe(clips)
            if len(transcripts) != len(clips):
                raise ValueError(f"the transcriber gave {len(transcripts)} transcripts for {len(clips)} recordings")
        except Exception as error:
            if len(spoken) > 1:
                return [heard for one in spoken for heard in self.hear([one])]
            return [Heard(transcript=None, failure=Failure.ASR_FAILED, detail=f"{type(error).__name__}: {error}")]
        return [
            _found(transcript, one.sample.turns[one.attempt.index].answer_language)
            for one, transcript in zip(spoken, transcripts, strict=True)
        ]

    def _clip(self, spoken: Spoken) -> Clip:
        sample, attempt = spoken.sample, spoken.attempt
        assert attempt.response is not None
        assert attempt.response.audio is not None
        # The language is not forced here, not even where the item demands one: an answer in another would be hidden.
        likely = dict.fromkeys((sample.turns[attempt.index].answer_language, *self.languages.get(sample.suite, ())))
        tags = tuple(tag for tag in likely if tag)
        return Clip(audio=attempt.response.audio, languages=tags, suite=sample.suite)


def _found(transcript: Transcript, asked: str) -> Heard:
    if transcript.failure is not None or not transcript.text:
        return Heard(transcript=transcript, failure=transcript.failure, detail=transcript.note)
    note = wrong_language(
        text=transcript.text,
        heard=transcript.language,
        probability=transcript.language_probability,
        asked=asked,
    )
    if note is not None:
        return Heard(transcript=transcript, failure=Failure.WRONG_LANGUAGE, detail=note)
    return Heard(transcript=transcript, failure=None, detail=transcript.note)
