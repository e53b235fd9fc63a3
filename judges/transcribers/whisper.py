"""openai-whisper: the default ear.

Deterministic greedy decoding without the text before as a prompt, which feeds loops; sequential, one clip after the
other: its own way through long recordings does not batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from aqaa_eval.core.attempt import Word
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.judges.transcribers.decoding import BoundedDecoding, RunawayDecoding, SeededSampling
from aqaa_eval.judges.transcribers.guarded import GuardedTranscriber
from aqaa_eval.judges.transcribers.recogniser import Decoding, Recording, SecondTry
from aqaa_eval.judges.transcribers.sources import find_source, read_settings
from aqaa_eval.judges.transcribers.weight_names import weights_hash

SAMPLE_RATE_HZ = 16_000


def build(argument: str, options: Mapping[str, OptionValue]) -> GuardedTranscriber:
    """`--asr whisper:ARGUMENT` behind the guards.

    Raises:
        UsageError, UnknownName, MissingWeights: it cannot be had; the message says what to do.
    """
    settings = read_settings("whisper", options)
    source = find_source("whisper", argument, wants_folder=False)
    recogniser = WhisperRecogniser(source.path, name=source.name, device=settings.device)
    return GuardedTranscriber(recogniser, language=settings.language)


class WhisperRecogniser:
    """One Whisper checkpoint; the network is opened when the first clip with speech comes."""

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
        """Such as "whisper:base@3cca563f": name, hash of the weights."""
        return f"whisper:{self._name}@{weights_hash(self._path)}"

    @property
    def languages(self) -> tuple[str, ...]:
        """English for a checkpoint named ".en", else any."""
        return ("en",) if self._name.endswith(".en") else ()

    @cached_property
    def _model(self) -> Any:
        from aqaa_eval.core.whisper_model import load_whisper

        return load_whisper(self._path, device=self._device)

    def recognise(self, recordings: Sequence[Recording]) -> list[Decoding]:
        """Greedy, one after the other.

        Raises:
            MissingWeights, DataError: the checkpoint cannot be opened.
        """
        return [
            self._hear(recording, BoundedDecoding(self._model, **_limits(recording)), is_noisy=False)
            for recording in recordings
        ]

    def recognise_again(self, recording: Recording, *, trial: SecondTry) -> Decoding:
        """Sampled with a generator of its own."""
        model = SeededSampling(self._model, trial=trial, **_limits(recording))
        return self._hear(recording, model, is_noisy=True)

    def _known_language(self, language: str | None) -> str | None:
        """The language to force; None to detect it, also where the checkpoint does not know the one that was asked."""
        from whisper.tokenizer import LANGUAGES

        if not self._model.is_multilingual:
            return "en"
        return language if language in list(LANGUAGES)[: self._model.num_languages] else None

    def _hear(self, recording: Recording, model: BoundedDecoding, *, is_noisy: bool) -> Decoding:
        language = self._known_language(recording.language)
        try:
            found = self._decode(recording, language, model)
        except RunawayDecoding as error:
            return Decoding(text="", language=language or "", problem=str(error))
        segments = found["segments"]
        heard = tuple(_words(segments))
        return Decoding(
            text=found["text"].strip(),
            language=found["language"],
            language_probability=model.language_probability,
            words=heard,
            log_probability=None if is_noisy else _mean([segment["avg_logprob"] for segment in segments]),
            confidence=_mean([word.confidence for word in heard]),
            no_speech=_mean([segment["no_speech_prob"] for segment in segments]),
        )

    def _decode(self, recording: Recording, language: str | None, model: BoundedDecoding) -> Any:
        import whisper

        return whisper.transcribe(
            model,
            recording.audio.resampled(SAMPLE_RATE_HZ).samples,
            language=language,
            temperature=0.0,
            fp16=self._device != "cpu",
            word_timestamps=True,
            sample_len=recording.max_tokens,
            condition_on_previous_text=False,
            # Whisper's own fallbacks sample without a seed; ours follow in `GuardedTranscriber`.
            compression_ratio_threshold=None,
            logprob_threshold=None,
            no_speech_threshold=None,
        )


def _limits(recording: Recording) -> dict[str, Any]:
    return {"duration_s": recording.audio.duration_s, "languages": recording.languages}


def _words(segments: Sequence[Mapping[str, Any]]) -> Iterator[Word]:
    for word in (word for segment in segments for word in segment.get("words", ())):
        if word["word"].strip():
            yield Word(
                text=word["word"].strip(),
                start_s=float(word["start"]),
                end_s=float(word["end"]),
                confidence=float(word["probability"]),
            )


def _mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing, which no rule takes for good news."""
    return float(sum(values) / len(values)) if values else 0.0
