"""A transcriber behind an address: any server with OpenAI's `/v1/audio/transcriptions`.

The recordings of a conversation go out at once, a few at a time. Word times come where the server gives them
(`verbose_json`); one that refuses that format is asked for plain JSON from then on, and then there is no confidence
and less to tell an invented answer by.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from aqaa_eval.core.attempt import Word
from aqaa_eval.core.audio import encode_audio
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.runspec import OptionValue
from aqaa_eval.judges.transcribers.guarded import GuardedTranscriber
from aqaa_eval.judges.transcribers.language_choice import SUITE
from aqaa_eval.judges.transcribers.recogniser import Decoding, Recording, SecondTry
from aqaa_eval.metrics.normaliser import primary_tag

SAMPLE_RATE_HZ = 16_000
REFUSALS = (400, 404, 415, 422)

_NAMES = {
    "arabic": "ar",
    "cantonese": "yue",
    "chinese": "zh",
    "dutch": "nl",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "indonesian": "id",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "mandarin": "zh",
    "polish": "pl",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
    "swedish": "sv",
    "thai": "th",
    "turkish": "tr",
    "ukrainian": "uk",
    "vietnamese": "vi",
    "welsh": "cy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """How the server is asked.

    Attributes:
        base_url: up to and with "/v1"; "" for OpenAI's own.
        api_key_env: environment variable that holds the key; a server that asks for none needs none.
        timeout_s: for one answer.
        retries: after the first attempt, on 408, 409, 429, 5xx and broken connections, obeying Retry-After.
        concurrency: requests under way at once.
    """

    base_url: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    timeout_s: float = 60.0
    retries: int = 4
    concurrency: int = 8

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise UsageError(f"--asr-set timeout_s={self.timeout_s:g}: must be above 0")
        if self.retries < 0:
            raise UsageError(f"--asr-set retries={self.retries}: must be 0 or more")
        if self.concurrency < 1:
            raise UsageError(f"--asr-set concurrency={self.concurrency}: must be at least 1")


def build(model: str, options: Mapping[str, OptionValue]) -> GuardedTranscriber:
    """The server's model behind the same guards as every recogniser.

    Raises:
        UsageError: no model is named, or a setting is unknown.
    """
    given = dict(options)
    language = str(given.pop("language", SUITE))
    known = {"base_url": str, "api_key_env": str, "timeout_s": float, "retries": int, "concurrency": int}
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(f"--asr http has no setting {unknown[0]!r}; it has language, {', '.join(known)}")
    if not model:
        raise UsageError("--asr http: name the server's model, such as http:whisper-1, with --asr-url")
    settings = HttpSettings(**{name: known[name](value) for name, value in given.items()})
    return GuardedTranscriber(HttpRecogniser(model, settings), language=language)


class HttpRecogniser:
    """One model of one server."""

    languages: tuple[str, ...] = ()

    def __init__(self, model: str, settings: HttpSettings) -> None:
        """Take note of where to ask; the first request is sent with the first recording.

        Raises:
            UsageError: OpenAI's own server is meant and there is no key.
        """
        self._model = model
        self._settings = settings
        self._is_plain = False
        if not settings.base_url and not os.environ.get(settings.api_key_env):
            raise UsageError(
                f"--asr http:{model}: no server and no key; give --asr-url http://host:port/v1, "
                f"or set {settings.api_key_env} for OpenAI's"
            )

    @property
    def identity(self) -> str:
        """Such as "http:whisper-1@api.openai.com": model and host; a server does not tell its weights."""
        from urllib.parse import urlsplit

        host = urlsplit(self._settings.base_url or "https://api.openai.com/v1").netloc
        return f"http:{self._model}@{host}"

    @cached_property
    def _client(self) -> Any:
        from openai import OpenAI

        return OpenAI(
            base_url=self._settings.base_url or None,
            api_key=os.environ.get(self._settings.api_key_env) or "none",
            timeout=self._settings.timeout_s,
            max_retries=self._settings.retries,
        )

    @property
    def batch(self) -> int:
        """Conversations whose recordings go out together."""
        return self._settings.concurrency

    def recognise(self, recordings: Sequence[Recording]) -> list[Decoding]:
        """Ask at temperature 0, several at a time.

        Raises:
            openai.APIError: the server did not answer in time and number of attempts, or not in JSON.
        """
        if len(recordings) == 1:
            return [self._ask(recordings[0], 0.0)]
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="transcribe") as pool:
            return list(pool.map(lambda recording: self._ask(recording, 0.0), recordings))

    def recognise_again(self, recording: Recording, *, trial: SecondTry) -> Decoding:
        """Ask at the trial's temperature; the protocol has no seed."""
        return self._ask(recording, trial.temperature)

    def _ask(self, recording: Recording, temperature: float) -> Decoding:
        import openai

        if not self._is_plain:
            try:
                return self._request(recording, temperature, is_plain=False)
            except openai.APIStatusError as error:
                if error.status_code not in REFUSALS:
                    raise
        decoding = self._request(recording, temperature, is_plain=True)
        self._is_plain = True  # only now: a request that fails in both forms says nothing of the format
        return decoding

    def _request(self, recording: Recording, temperature: float, *, is_plain: bool) -> Decoding:
        form: dict[str, Any] = {
            "model": self._model,
            "file": ("answer.wav", encode_audio(recording.audio.resampled(SAMPLE_RATE_HZ), container="WAV")),
            "temperature": temperature,
            "response_format": "json" if is_plain else "verbose_json",
        }
        if recording.language:
            form["language"] = recording.language
        if not is_plain:
            form["timestamp_granularities"] = ["word", "segment"]
        answer = self._client.audio.transcriptions.create(**form)
        fields = answer.model_dump() if hasattr(answer, "model_dump") else answer
        return _read(fields, recording)


def _read(fields: Any, recording: Recording) -> Decoding:
    """The server's answer; what it leaves out is None.

    Raises:
        ValueError: it has no text.
    """
    if not isinstance(fields, Mapping) or not isinstance(fields.get("text"), str):
        raise ValueError(f"the server's answer has no text: {str(fields)[:80]!r}")
    segments = [segment for segment in fields.get("segments") or () if isinstance(segment, Mapping)]
    log_probability = _weighted(segments, "avg_logprob")
    confidence = None if log_probability is None else math.exp(min(0.0, log_probability))
    return Decoding(
        text=fields["text"].strip(),
        language=_tag(str(fields.get("language") or recording.language or "")),
        words=tuple(_words(fields.get("words") or (), confidence)),
        log_probability=log_probability,
        confidence=confidence,
        no_speech=_weighted(segments, "no_speech_prob") or 0.0,
    )


def _weighted(segments: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Mean over the segments by their length; None if none has the field."""
    pairs = [
        (float(segment[name]), max(0.01, float(segment.get("end") or 0) - float(segment.get("start") or 0)))
        for segment in segments
        if isinstance(segment.get(name), int | float)
    ]
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if pairs else None


def _words(given: Sequence[Mapping[str, Any]], confidence: float | None) -> list[Word]:
    """Words with times; the protocol has no probability per word, so each gets its recording's."""
    return [
        Word(
            text=str(word["word"]).strip(),
            start_s=float(word["start"]),
            end_s=float(word["end"]),
            confidence=float(word.get("probability") or (1.0 if confidence is None else confidence)),
        )
        for word in given
        if str(word.get("word", "")).strip()
    ]


def _tag(language: str) -> str:
    """A tag for what servers call a language: "english", "en", "en-US".

    >>> _tag("English"), _tag("zh-CN"), _tag("klingon")
    ('en', 'zh', '')
    """
    lowered = language.strip().lower()
    if lowered in _NAMES:
        return _NAMES[lowered]
    tag = primary_tag(lowered)
    return tag if 2 <= len(tag) <= 3 else ""
