"""openai-whisper behind a voice-activity gate: the default ear.

Whisper always says something: " You" on silence, "Thank you." on noise, the same syllable two hundred times on a short
one. So it hears only what holds speech, in deterministic greedy decoding without the text before as a prompt (which
feeds loops); what looks invented is decoded once more at a temperature, and what still does is marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aqaa_eval.core.attempt import Transcript, Word
from aqaa_eval.core.failure import Failure
from aqaa_eval.core.protocols import Clip
from aqaa_eval.core.weights import WEIGHTS, installed_path
from aqaa_eval.judges.guards import describe_failure, speech_failure
from aqaa_eval.judges.transcribers.decoding import BoundedDecoding, RunawayDecoding, SeededSampling
from aqaa_eval.judges.transcribers.speech_cut import SpeechCut, cut_silences
from aqaa_eval.judges.transcribers.suspicion import Hypothesis, Suspicion, find_suspicion
from aqaa_eval.metrics.normaliser import primary_tag, words
from aqaa_eval.metrics.voice_activity import Segment, speech_s, speech_segments

SAMPLE_RATE_HZ = 16_000
GATE_VERSION = "vad+1"
SECOND_TEMPERATURE = 0.4
SURE_LANGUAGE = 0.7
MAX_TOKENS, BASE_TOKENS, TOKENS_PER_S = 224, 32, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One decoding of one clip."""

    hypothesis: Hypothesis
    words: tuple[Word, ...]
    suspicion: Suspicion | None


class WhisperTranscriber:
    """Transcribes with one Whisper checkpoint; the network is opened when the first clip with speech comes."""

    def __init__(self, path: Path, *, name: str = "base", device: str = "cpu") -> None:
        """Take note of a checkpoint.

        Args:
            path: a .pt file as openai-whisper reads it.
            name: what the identity calls it.
            device: a torch device; half precision is used where it is not the CPU.
        """
        self._path = path
        self._name = name
        self._device = device

    @cached_property
    def identity(self) -> str:
        """Such as "whisper:base@3cca563f+vad+1": name, hash of the weights, version of gate and guards."""
        return f"whisper:{self._name}@{_weights_hash(self._path)}+{GATE_VERSION}"

    @cached_property
    def _model(self) -> Any:
        from aqaa_eval.core.whisper_model import load_whisper

        return load_whisper(self._path, device=self._device)

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """One transcript per clip, in order. The same clip gives the same transcript.

        Raises:
            MissingWeights, DataError: the checkpoint cannot be opened.
        """
        return [self._transcript(clip) for clip in clips]

    def _transcript(self, clip: Clip) -> Transcript:
        failure = speech_failure(clip.audio)
        if failure is not None and failure.is_no_answer:
            return self._no_words(failure, describe_failure(failure, clip.audio))
        cut = cut_silences(clip.audio, speech_segments(clip.audio))
        language = self._known_language(clip.language)
        spoken_s = speech_s(clip.audio)
        duration_s = cut.audio.duration_s
        model = BoundedDecoding(self._model, duration_s=duration_s)
        first = self._hear(cut, language, spoken_s=spoken_s, model=model)
        if first.suspicion is None:
            return self._accept(first)
        seed = int(clip.audio.content_hash[:8], 16)
        again = SeededSampling(self._model, duration_s=duration_s, temperature=SECOND_TEMPERATURE, seed=seed)
        second = self._hear(cut, language or self._second_language(cut), spoken_s=spoken_s, model=again)
        return self._decide(first, first.suspicion, second)

    def _known_language(self, language: str | None) -> str | None:
        """The language to force; None to detect it, also where the checkpoint does not know the one that was asked."""
        from whisper.tokenizer import LANGUAGES

        if not self._model.is_multilingual:
            return "en"
        asked = primary_tag(language) if language else None
        return asked if asked in list(LANGUAGES)[: self._model.num_languages] else None

    def _second_language(self, cut: SpeechCut) -> str:
        """The detected language if that is sure, else the runner-up: laughter heard as Japanese comes out as a loop."""
        import whisper

        model = self._model
        samples = whisper.pad_or_trim(cut.audio.resampled(SAMPLE_RATE_HZ).samples)
        mel = whisper.log_mel_spectrogram(samples, model.dims.n_mels).to(model.device)
        _, shares = model.detect_language(mel.half() if self._device != "cpu" else mel)
        first, second = sorted(shares, key=shares.__getitem__, reverse=True)[:2]
        return str(first if shares[first] >= SURE_LANGUAGE else second)

    def _hear(self, cut: SpeechCut, language: str | None, *, spoken_s: float, model: BoundedDecoding) -> _Heard:
        try:
            found = self._decode(cut, language, spoken_s=spoken_s, model=model)
        except RunawayDecoding as error:
            nothing = Hypothesis(
                text="", language=language or "", speech_s=spoken_s, confidence=0.0, log_probability=None, no_speech=0.0
            )
            suspicion = Suspicion(failure=Failure.ASR_HALLUCINATED, note=str(error))
            return _Heard(hypothesis=nothing, words=(), suspicion=suspicion)
        segments = found["segments"]
        heard_words = tuple(_words(segments, cut))
        is_noisy = isinstance(model, SeededSampling)
        hypothesis = Hypothesis(
            text=found["text"].strip(),
            language=found["language"],
            speech_s=spoken_s,
            confidence=_mean([word.confidence for word in heard_words]),
            log_probability=None if is_noisy else _mean([segment["avg_logprob"] for segment in segments]),
            no_speech=_mean([segment["no_speech_prob"] for segment in segments]),
        )
        return _Heard(hypothesis=hypothesis, words=heard_words, suspicion=find_suspicion(hypothesis))

    def _decode(self, cut: SpeechCut, language: str | None, *, spoken_s: float, model: BoundedDecoding) -> Any:
        import whisper

        return whisper.transcribe(
            model,
            cut.audio.resampled(SAMPLE_RATE_HZ).samples,
            language=language,
            temperature=0.0,
            fp16=self._device != "cpu",
            word_timestamps=True,
            # A loop would go on to 224 tokens, most of the time it costs: stop where no speech can have got to.
            sample_len=min(MAX_TOKENS, BASE_TOKENS + round(TOKENS_PER_S * spoken_s)),
            condition_on_previous_text=False,
            # Whisper's own fallbacks sample without a seed; ours follow in `_transcript`.
            compression_ratio_threshold=None,
            logprob_threshold=None,
            no_speech_threshold=None,
        )

    def _decide(self, first: _Heard, suspicion: Suspicion, second: _Heard) -> Transcript:
        """Take the second try if nothing speaks against it; else a loop with its words; else no words."""
        if second.suspicion is None:
            return self._accept(second, note=f"second try at temperature {SECOND_TEMPERATURE}; first: {suspicion.note}")
        for heard, doubt in ((first, suspicion), (second, second.suspicion)):
            if doubt.failure is Failure.LOOPED:
                return self._accept(heard, failure=doubt.failure, note=doubt.note)
        text = first.hypothesis.text
        shown = text if len(text) <= 60 else text[:57] + "..."
        dropped = f"; dropped: {shown!r}" if text else ""
        return self._no_words(suspicion.failure, suspicion.note + dropped, language=first.hypothesis.language)

    def _accept(self, heard: _Heard, *, failure: Failure | None = None, note: str = "") -> Transcript:
        hypothesis = heard.hypothesis
        if not words(hypothesis.text, language=hypothesis.language):
            return self._no_words(Failure.ASR_EMPTY, f"no words in {hypothesis.speech_s:.1f} s of speech")
        return Transcript(
            text=hypothesis.text,
            language=hypothesis.language,
            confidence=round(hypothesis.confidence, 4),
            asr=self.identity,
            words=heard.words,
            failure=failure,
            note=note,
        )

    def _no_words(self, failure: Failure, note: str, *, language: str = "") -> Transcript:
        return Transcript(text="", language=language, confidence=None, asr=self.identity, failure=failure, note=note)


def _words(segments: Sequence[Mapping[str, Any]], cut: SpeechCut) -> Iterator[Word]:
    """Words of all segments with their times in the original recording; rounded, so that they are stored exactly."""
    for word in (word for segment in segments for word in segment.get("words", ())):
        place = cut.original(Segment(start_s=float(word["start"]), end_s=float(word["end"])))
        if word["word"].strip():
            yield Word(
                text=word["word"].strip(),
                start_s=round(place.start_s, 3),
                end_s=round(place.end_s, 3),
                confidence=round(min(1.0, max(0.0, float(word["probability"]))), 4),
            )


def _weights_hash(path: Path) -> str:
    """Eight hex digits: of the catalogue where the file is from there, else of the file's bytes."""
    for weight in WEIGHTS.values():
        if path == installed_path(weight):
            return weight.sha256[:8]
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def _mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing, which no rule takes for good news."""
    return float(sum(values) / len(values)) if values else 0.0
