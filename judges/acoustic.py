"""How answers are spoken, as measurements with units: rate, pitch, level, pauses, voice quality, melody.

Over a conversation also whether the voice stays the same, where the speaker encoder's weights are here. They are
measurements and nothing more. No number here says what somebody felt, none is called accuracy of an emotion, and none
goes into the fused score; a card that asks for a delivery asks for it by checks, with a demand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aqaa_eval.core.attempt import Attempt, Score, Status, TurnAttempt
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.sample import Turn
from aqaa_eval.judges.answers import Answer, State, find_answers
from aqaa_eval.judges.guards import describe_failure, speech_failure
from aqaa_eval.metrics.acoustics import Delivery, longest_steady_s, measure_delivery
from aqaa_eval.metrics.normaliser import primary_tag
from aqaa_eval.metrics.voice_activity import speech_s
from aqaa_eval.metrics.voice_quality import VoiceQuality, can_measure_voice, measure_voice

if TYPE_CHECKING:
    from aqaa_eval.judges.speaker import SpeakerEncoder

VERSION = "1"
STEADY_CENTS = 50.0
SPEAKER_METRIC = "speaker_similarity"
MIN_SPEAKER_SPEECH_S = 1.0  # the encoder's own window is 1.6 s; under one its vectors scatter


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One answer, measured.

    Attributes:
        steady_pitch_s: longest stretch on one note.
        voice: None where Praat is not installed.
    """

    delivery: Delivery
    steady_pitch_s: float
    voice: VoiceQuality | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measurement:
    """One metric.

    Attributes:
        unit: as it is written after the value.
        value: takes it from what was measured; None where there is nothing to measure it on.
        lacks: why there is none.
    """

    unit: str
    value: Callable[[_Measured], float | None]
    lacks: str = "too little voiced sound"


MEASUREMENTS: Mapping[str, _Measurement] = {
    "rate_syllables_per_s": _Measurement(
        unit="syllables/s", value=lambda m: m.delivery.syllables_per_s, lacks="no words to count syllables in"
    ),
    "pitch_hz": _Measurement(unit="Hz", value=lambda m: m.delivery.pitch_hz),
    "pitch_range_semitones": _Measurement(unit="semitones", value=lambda m: m.delivery.pitch_range_semitones),
    "level_dbfs": _Measurement(unit="dBFS", value=lambda m: m.delivery.level_dbfs),
    "pause_share": _Measurement(unit="of the time", value=lambda m: m.delivery.pause_share),
    "longest_pause_s": _Measurement(unit="s", value=lambda m: m.delivery.longest_pause_s),
    "voiced_share": _Measurement(unit="of the speech", value=lambda m: m.delivery.voiced_share),
    "steady_pitch_s": _Measurement(unit="s on one note", value=lambda m: m.steady_pitch_s),
    "hnr_db": _Measurement(unit="dB", value=lambda m: m.voice.hnr_db if m.voice else None),
    "jitter_percent": _Measurement(unit="%", value=lambda m: m.voice.jitter_percent if m.voice else None),
}
VOICE_METRICS = ("hnr_db", "jitter_percent")


class AcousticJudge:
    """Measures each answer, and the voice over the conversation where an encoder is given."""

    is_slow = True  # worth a thread of its own beside the other judges

    def __init__(self, *, speaker: SpeakerEncoder | None = None) -> None:
        self._speaker = speaker
        self._has_praat = can_measure_voice()

    @property
    def identity(self) -> str:
        """Such as "acoustic@1+praat+resemblyzer@39373b86"."""
        praat = "+praat" if self._has_praat else ""
        speaker = f"+{self._speaker.identity}" if self._speaker else ""
        return f"acoustic@{VERSION}{praat}{speaker}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """What it measures."""
        names = tuple(name for name in MEASUREMENTS if self._has_praat or name not in VOICE_METRICS)
        return names + ((SPEAKER_METRIC,) if self._speaker else ())

    def judge(self, attempt: Attempt) -> tuple[Score, ...]:
        """One score per turn and measurement, and one on the voice of the whole conversation."""
        turns = {turn.index: turn for turn in attempt.turns}
        answers = find_answers(attempt)
        scores = [
            score
            for answer, asked in zip(answers, attempt.sample.turns, strict=True)
            for score in self._turn(answer, turns.get(answer.turn), asked)
        ]
        if self._speaker is not None and len(answers) > 1:
            scores.append(self._voice_over_turns(answers, self._speaker))
        return tuple(scores)

    def _turn(self, answer: Answer, turn: TurnAttempt | None, asked: Turn) -> list[Score]:
        names = [name for name in self.metrics if name != SPEAKER_METRIC]
        if answer.state is not State.ANSWERED or answer.audio is None:
            missing = Score(
                metric="",
                value=None,
                status=answer.status,
                reason=answer.reason or "the answer has no sound",
                judge=self.identity,
                turn=answer.turn,
                failure=answer.failure,
            )
            return [replace(missing, metric=name) for name in names]
        failure = speech_failure(answer.audio)
        if failure is not None and failure.is_no_answer:
            reason = describe_failure(failure, answer.audio)
            return [self._unscored(name, reason, answer.turn) for name in names]
        measured = self._measure(answer.audio, turn, asked)
        return [self._score(name, measured, answer.turn) for name in names]

    def _measure(self, audio: Audio, turn: TurnAttempt | None, asked: Turn) -> _Measured:
        heard = turn.transcript if turn is not None else None
        language = primary_tag((heard.language if heard else "") or asked.answer_language)
        return _Measured(
            delivery=measure_delivery(audio, text=heard.text if heard else "", language=language),
            steady_pitch_s=longest_steady_s(audio, cents=STEADY_CENTS),
            voice=measure_voice(audio) if self._has_praat else None,
        )

    def _score(self, name: str, measured: _Measured, turn: int) -> Score:
        measurement = MEASUREMENTS[name]
        value = measurement.value(measured)
        if value is None:
            return self._unscored(name, measurement.lacks, turn)
        reason = f"{value:.3g} {measurement.unit}, over {measured.delivery.span_s:.1f} s from first to last speech"
        return Score(metric=name, value=round(value, 4), reason=reason, judge=self.identity, turn=turn)

    def _voice_over_turns(self, answers: Sequence[Answer], speaker: SpeakerEncoder) -> Score:
        """Mean cosine of all pairs of turns that are long enough."""
        from aqaa_eval.judges.speaker import similarities

        spoken = [
            answer
            for answer in answers
            if answer.state is State.ANSWERED
            and answer.audio is not None
            and speech_s(answer.audio) >= MIN_SPEAKER_SPEECH_S
        ]
        if len(spoken) < 2:
            reason = (
                f"{len(spoken)} of {len(answers)} answers hold {MIN_SPEAKER_SPEECH_S:g} s of speech; two are needed"
            )
            return self._unscored(SPEAKER_METRIC, reason, None)
        cosines = similarities([speaker.embed(answer.audio) for answer in spoken if answer.audio is not None])
        reason = (
            f"mean cosine of {len(cosines)} pair{'s' if len(cosines) > 1 else ''} of answers, the lowest "
            f"{min(cosines):.2f}; one voice has about 0.9, two have about 0.5"
        )
        value = round(sum(cosines) / len(cosines), 4)
        return Score(metric=SPEAKER_METRIC, value=value, reason=reason, judge=self.identity)

    def _unscored(self, metric: str, reason: str, turn: int | None) -> Score:
        return Score(metric=metric, value=None, status=Status.UNSCORED, reason=reason, judge=self.identity, turn=turn)
