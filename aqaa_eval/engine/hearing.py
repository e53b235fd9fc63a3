"""The transcribing stage's ear: all answers of a conversation at once, and what is found wrong with them."""

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
class Listener:
    """Has answers transcribed.

    Attributes:
        transcriber: the ear.
        languages: of the suites' cards, by suite id: those that an answer is most probably in.
    """

    transcriber: Transcriber
    languages: Mapping[str, tuple[str, ...]]

    def hear(self, sample: Sample, attempts: Sequence[TurnAttempt]) -> dict[int, Heard]:
        """What is heard in each attempt, by turn; every attempt has sound.

        An outage is a failed measurement, never an empty (or perfect) transcript. If the ear breaks on several at
        once, each is tried alone: one recording that it cannot bear does not cost the others theirs.
        """
        if not attempts:
            return {}
        clips = [self._clip(sample, attempt) for attempt in attempts]
        try:
            transcripts = self.transcriber.transcribe(clips)
            if len(transcripts) != len(clips):
                raise ValueError(f"the transcriber gave {len(transcripts)} transcripts for {len(clips)} recordings")
        except Exception as error:
            if len(attempts) > 1:
                return {turn: heard for one in attempts for turn, heard in self.hear(sample, [one]).items()}
            detail = f"{type(error).__name__}: {error}"
            return {attempts[0].index: Heard(transcript=None, failure=Failure.ASR_FAILED, detail=detail)}
        return {
            attempt.index: _found(transcript, sample.turns[attempt.index].answer_language)
            for attempt, transcript in zip(attempts, transcripts, strict=True)
        }

    def _clip(self, sample: Sample, attempt: TurnAttempt) -> Clip:
        assert attempt.response is not None
        assert attempt.response.audio is not None
        # The language is not forced, not even where the item demands one: an answer in another would be hidden.
        likely = dict.fromkeys((sample.turns[attempt.index].answer_language, *self.languages.get(sample.suite, ())))
        return Clip(audio=attempt.response.audio, languages=tuple(tag for tag in likely if tag))


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
