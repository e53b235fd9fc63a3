"""What all recognisers share: they hear only what holds speech, and what they make up is found and marked.

Every recogniser of the Whisper kind says something to anything: " You" to silence, "Thank you." to noise, the same
syllable two hundred times to a short one. So silence and what is not speech never reach it, long silences are cut out,
what looks invented is decoded once more at a temperature, and what still looks so is dropped or marked, with a note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aqaa_eval.core.attempt import Transcript, Word
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip
from aqaa_eval.judges.guards import describe_failure, speech_failure
from aqaa_eval.judges.transcribers.language_choice import SUITE, parse_language_rule
from aqaa_eval.judges.transcribers.recogniser import Decoding, Recogniser, Recording, SecondTry
from aqaa_eval.judges.transcribers.speech_cut import SpeechCut, cut_silences
from aqaa_eval.judges.transcribers.suspicion import Hypothesis, Suspicion, find_suspicion
from aqaa_eval.metrics.normaliser import primary_tag, words
from aqaa_eval.metrics.voice_activity import Segment, speech_s, speech_segments

GATE_VERSION = "vad+2"
SECOND_TEMPERATURE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One decoding of one clip, judged."""

    decoding: Decoding
    suspicion: Suspicion | None


class GuardedTranscriber:
    """A recogniser behind the gate. The same clips give the same transcripts."""

    def __init__(self, recogniser: Recogniser, *, language: str = SUITE) -> None:
        """Put the guards around a recogniser.

        Args:
            recogniser: asked only about clips with speech.
            language: how the language is found, see `parse_language_rule`. A clip's own `language` goes before all.

        Raises:
            UsageError: the language is no such rule.
        """
        self._recogniser = recogniser
        self._language = language
        self._rule = parse_language_rule(language)

    @property
    def identity(self) -> str:
        """Such as "whisper:base@3cca563f+vad+2": name, hash of the weights, version of the guards, language rule."""
        rule = "" if self._language == SUITE else f"+language={self._language}"
        return f"{self._recogniser.identity}+{GATE_VERSION}{rule}"

    @property
    def languages(self) -> tuple[str, ...]:
        """Primary tags of the languages that it knows; empty if it knows many."""
        return self._recogniser.languages

    @property
    def batch(self) -> int:
        """Conversations whose answers it likes to hear together: 1, unless the recogniser says another number."""
        return int(getattr(self._recogniser, "batch", 1))

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """One transcript per clip, in order; those with speech go to the recogniser at once.

        Raises:
            MissingWeights, DataError: the recogniser cannot be opened.
        """
        cuts: dict[int, SpeechCut] = {}
        found: dict[int, Transcript] = {}
        for index, clip in enumerate(clips):
            failure = speech_failure(clip.audio)
            if failure is not None and failure.is_no_answer:
                found[index] = self._no_words(failure, describe_failure(failure, clip.audio))
            else:
                cuts[index] = cut_silences(clip.audio, speech_segments(clip.audio))
        recordings = {index: self._recording(clips[index], cut) for index, cut in cuts.items()}
        decodings = self._recogniser.recognise(list(recordings.values())) if recordings else []
        for (index, recording), decoding in zip(recordings.items(), decodings, strict=True):
            found[index] = self._decide(clips[index], cuts[index], recording, _judged(decoding, recording))
        return [found[index] for index in range(len(clips))]

    def _recording(self, clip: Clip, cut: SpeechCut) -> Recording:
        language = clip.language or self._rule.forced(clip.suite)
        likely = clip.languages if self._rule.of(clip.suite) == SUITE else ()
        return Recording(
            audio=cut.audio,
            language=primary_tag(language) if language else None,
            languages=tuple(primary_tag(tag) for tag in likely),
            speech_s=speech_s(clip.audio),
        )

    def _decide(self, clip: Clip, cut: SpeechCut, recording: Recording, first: _Heard) -> Transcript:
        """Take the first try if nothing speaks against it, else the second; else a loop with its words; else none."""
        if first.suspicion is None:
            return self._accept(first, cut, recording)
        trial = SecondTry(temperature=SECOND_TEMPERATURE, seed=int(clip.audio.content_hash[:8], 16))
        second = _judged(self._recogniser.recognise_again(recording, trial=trial), recording)
        if second.suspicion is None:
            note = f"second try at temperature {SECOND_TEMPERATURE}; first: {first.suspicion.note}"
            return self._accept(second, cut, recording, note=note)
        for heard in (first, second):
            if heard.suspicion is not None and heard.suspicion.failure is Failure.LOOPED:
                accepted = self._accept(heard, cut, recording, note=heard.suspicion.note)
                return replace(accepted, failure=accepted.failure or Failure.LOOPED)
        text = first.decoding.text
        shown = text if len(text) <= 60 else text[:57] + "..."
        dropped = f"; dropped: {shown!r}" if text else ""
        note = first.suspicion.note + dropped
        return self._no_words(first.suspicion.failure, note, language=first.decoding.language)

    def _accept(self, heard: _Heard, cut: SpeechCut, recording: Recording, *, note: str = "") -> Transcript:
        decoding = heard.decoding
        if not words(decoding.text, language=decoding.language):
            return self._no_words(Failure.ASR_EMPTY, f"no words in {recording.speech_s:.1f} s of speech")
        return Transcript(
            text=decoding.text,
            language=decoding.language,
            confidence=None if decoding.confidence is None else round(decoding.confidence, 4),
            asr=self.identity,
            words=tuple(_placed(word, cut) for word in decoding.words),
            note=note,
            language_probability=_rounded(decoding.language_probability),
        )

    def _no_words(self, failure: Failure, note: str, *, language: str = "") -> Transcript:
        return Transcript(text="", language=language, confidence=None, asr=self.identity, failure=failure, note=note)


def _judged(decoding: Decoding, recording: Recording) -> _Heard:
    if decoding.problem:
        return _Heard(decoding=decoding, suspicion=Suspicion(failure=Failure.ASR_HALLUCINATED, note=decoding.problem))
    hypothesis = Hypothesis(
        text=decoding.text,
        language=decoding.language,
        speech_s=recording.speech_s,
        confidence=decoding.confidence,
        log_probability=decoding.log_probability,
        no_speech=decoding.no_speech,
    )
    return _Heard(decoding=decoding, suspicion=find_suspicion(hypothesis))


def _placed(word: Word, cut: SpeechCut) -> Word:
    """The word with its times in the original recording; rounded, so that they are stored exactly."""
    place = cut.original(Segment(start_s=word.start_s, end_s=word.end_s))
    return Word(
        text=word.text,
        start_s=round(place.start_s, 3),
        end_s=round(place.end_s, 3),
        confidence=round(min(1.0, max(0.0, word.confidence)), 4),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
