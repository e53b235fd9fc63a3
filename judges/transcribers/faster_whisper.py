"""faster-whisper: CTranslate2's Whisper, several times as fast on a CPU, and batched.

The package gives the features, the tokenizer and the network; the way through the windows is ours, so that recordings
of different languages share a batch and the same gate as everywhere finds what is invented.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aqaa_eval.core.attempt import Word
from aqaa_eval.core.errors import DataError, MissingWeights
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.judges.transcribers.guarded import GuardedTranscriber
from aqaa_eval.judges.transcribers.language_choice import pick_language
from aqaa_eval.judges.transcribers.recogniser import Decoding, Recording, SecondTry
from aqaa_eval.judges.transcribers.sources import find_source, read_settings
from aqaa_eval.judges.transcribers.weight_names import weights_hash
from aqaa_eval.judges.transcribers.windows import BATCH_WINDOWS, Window, recognise_windows

MIN_PADDING_SAMPLES = 160
BEAM_SIZE = 5  # faster-whisper's own default

_sampling = threading.Lock()  # CTranslate2 has one random generator for the whole process


def build(argument: str, options: Mapping[str, OptionValue]) -> GuardedTranscriber:
    """`--asr faster-whisper:ARGUMENT` behind the guards.

    Raises:
        UsageError, UnknownName, MissingWeights: it cannot be had; the message says what to do.
    """
    settings = read_settings("faster-whisper", options)
    source = find_source("faster-whisper", argument, wants_folder=True)
    recogniser = FasterWhisperRecogniser(source.path, name=source.name, device=settings.device)
    return GuardedTranscriber(recogniser, language=settings.language)


class FasterWhisperRecogniser:
    """One CTranslate2 export; the network is opened when the first clip with speech comes."""

    def __init__(self, path: Path, *, name: str, device: str = "cpu", threads: int = 0) -> None:
        """Take note of an export.

        Args:
            path: a folder with `model.bin`, `config.json`, `tokenizer.json` and the vocabulary.
            name: what the identity calls it.
            device: "cpu" (8-bit integers) or "cuda" (half precision).
            threads: of the CPU; 0 for OpenMP's default.
        """
        self._path = path
        self._name = name
        self._device = device
        self._threads = threads

    @cached_property
    def identity(self) -> str:
        """Such as "faster-whisper:tiny.en@3e3306f6-int8": name, hash of the weights, arithmetic."""
        return f"faster-whisper:{self._name}@{weights_hash(self._path)}-{self._arithmetic}"

    @property
    def batch(self) -> int:
        """Conversations that it hears together: on a CPU one, so that a transcript depends on nothing else."""
        return 1 if self._device == "cpu" else BATCH_WINDOWS

    @property
    def languages(self) -> tuple[str, ...]:
        """English for an export named ".en", else any."""
        return ("en",) if self._name.endswith(".en") else ()

    @property
    def _arithmetic(self) -> str:
        return "int8" if self._device == "cpu" else "float16"

    @cached_property
    def _model(self) -> Any:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise MissingWeights(
                f"{self._name} needs faster-whisper: pip install 'aqaa-eval[faster-whisper]'"
            ) from error
        try:
            return WhisperModel(
                str(self._path),
                device=self._device,
                compute_type=self._arithmetic,
                cpu_threads=self._threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise DataError(f"{self._path}: not a CTranslate2 Whisper folder ({error})") from error

    def recognise(self, recordings: Sequence[Recording]) -> list[Decoding]:
        """Beam search, in batches of windows.

        Raises:
            MissingWeights, DataError: the export cannot be opened.
        """
        return recognise_windows(recordings, lambda windows: self._decode(windows, None))

    def recognise_again(self, recording: Recording, *, trial: SecondTry) -> Decoding:
        """Sampled; the process's generator is seeded for it."""
        [decoding] = recognise_windows([recording], lambda windows: self._decode(windows, trial))
        return decoding

    def _decode(self, windows: Sequence[Window], trial: SecondTry | None) -> list[Decoding]:
        network = self._model.model
        encoded = self._model.encode(np.stack([self._features(window) for window in windows]))
        picked = self._languages(windows, encoded, is_second_try=trial is not None)
        tokenizers = [self._tokenizer(language) for language, _ in picked]
        prompts = [[*tokenizer.sot_sequence, tokenizer.no_timestamps] for tokenizer in tokenizers]
        settings: dict[str, Any] = {
            "max_length": len(prompts[0]) + max(window.max_tokens for window in windows),
            "return_scores": True,
            "return_no_speech_prob": True,
        }
        if trial is None:
            results = network.generate(encoded, prompts, beam_size=BEAM_SIZE, **settings)
        else:
            results = _sample(network, encoded, prompts, trial, settings)
        decodings = []
        rows = _rows(encoded, len(windows))
        for index, (window, result) in enumerate(zip(windows, results, strict=True)):
            tokenizer, tokens = tokenizers[index], result.sequences_ids[0]
            heard = self._words(tokenizer, tokens, rows[index], n_samples=len(window.samples))
            language, probability = picked[index]
            decodings.append(
                Decoding(
                    text=tokenizer.decode(tokens).strip(),
                    language=language,
                    language_probability=probability,
                    words=heard,
                    # The mean over the text's tokens; of sampled ones it is of the flattened distribution.
                    log_probability=float(result.scores[0]) if trial is None else None,
                    confidence=float(np.mean([word.confidence for word in heard])) if heard else 0.0,
                    no_speech=float(result.no_speech_prob),
                )
            )
        return decodings

    def _features(self, window: Window) -> Any:
        from faster_whisper.audio import pad_or_trim

        extract = self._model.feature_extractor
        return pad_or_trim(extract(window.samples, padding=MIN_PADDING_SAMPLES), extract.nb_max_frames)

    def _languages(
        self, windows: Sequence[Window], encoded: Any, *, is_second_try: bool
    ) -> list[tuple[str, float | None]]:
        """Language and its probability per window; what is forced, or unknown to the export, is not probable."""
        if not self._model.model.is_multilingual:
            return [("en", None)] * len(windows)
        known = set(self._model.supported_languages)
        forced = [window.language if window.language in known else None for window in windows]
        if all(forced):
            return [(language or "", None) for language in forced]
        found: list[tuple[str, float | None]] = []
        for window, language, listed in zip(windows, forced, self._model.model.detect_language(encoded), strict=True):
            shares = {token[2:-2]: float(share) for token, share in listed}
            found.append(
                (language, None) if language else pick_language(shares, window.languages, is_second_try=is_second_try)
            )
        return found

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        is_multilingual = self._model.model.is_multilingual
        return Tokenizer(self._model.hf_tokenizer, is_multilingual, task="transcribe", language=language)

    def _words(self, tokenizer: Any, tokens: list[int], row: Any, *, n_samples: int) -> tuple[Word, ...]:
        text = [token for token in tokens if token < tokenizer.eot]
        if not text:
            return ()
        n_frames = max(1, n_samples // self._model.feature_extractor.hop_length)
        [aligned] = self._model.find_alignment(tokenizer, [text], row, n_frames)
        return tuple(
            Word(
                text=word["word"].strip(),
                start_s=float(word["start"]),
                end_s=float(word["end"]),
                confidence=float(word["probability"]),
            )
            for word in _without_lone_marks(aligned)
        )


def _without_lone_marks(aligned: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Punctuation joined to the word before it."""
    joined: list[dict[str, Any]] = []
    for word in aligned:
        if joined and not any(char.isalnum() for char in word["word"]):
            joined[-1] = {**joined[-1], "word": joined[-1]["word"] + word["word"].rstrip()}
        elif word["word"].strip():
            joined.append(word)
    return joined


def _sample(network: Any, encoded: Any, prompts: Any, trial: SecondTry, settings: dict[str, Any]) -> Any:
    import ctranslate2

    with _sampling:
        ctranslate2.set_random_seed(trial.seed % 2**31)
        return network.generate(
            encoded, prompts, beam_size=1, sampling_topk=0, sampling_temperature=trial.temperature, **settings
        )


def _rows(encoded: Any, n_windows: int) -> list[Any]:
    """An encoded batch, window by window."""
    import ctranslate2

    if n_windows == 1:
        return [encoded]
    if encoded.device != "cpu":
        encoded = encoded.to_device(ctranslate2.Device.cpu)
    array = np.array(encoded)
    return [
        ctranslate2.StorageView.from_array(np.ascontiguousarray(array[index : index + 1])) for index in range(n_windows)
    ]
