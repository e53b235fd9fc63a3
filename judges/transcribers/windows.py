"""Batches of windows: how the recognisers that hear 30 s at a time hear many recordings at once, and long ones at all.

A recording is cut at its quietest moments into windows that fit, all recordings' first windows go through the network
together, and what it says of the windows of one recording is joined again. The first window decides the language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.attempt import Word
from aqaa_eval.judges.transcribers.recogniser import Decoding, Recording
from aqaa_eval.metrics.normaliser import CHARACTER_LANGUAGES

SAMPLE_RATE_HZ = 16_000
WINDOW_S = 28.0
SEARCH_S = 8.0  # the cut lies in the last seconds of a window
QUIET_S = 0.2
BATCH_WINDOWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a network hears at once.

    Attributes:
        samples: 16 kHz, shape (n_samples,), at most 28 s.
        start_s: where it begins in its recording.
        language: to force; None to detect it.
        languages: those that are likely.
        max_tokens: where decoding may stop.
    """

    samples: NDArray[np.float32]
    start_s: float
    language: str | None
    languages: tuple[str, ...]
    max_tokens: int


Decode = Callable[[Sequence[Window]], list[Decoding]]


def recognise_windows(recordings: Sequence[Recording], decode: Decode) -> list[Decoding]:
    """Decode recordings in batches of windows.

    Args:
        recordings: of any length.
        decode: one decoding per window, with word times in the window; it gets at most eight at once.
    """
    windows = [list(windows_of(recording)) for recording in recordings]
    first = _in_batches([parts[0] for parts in windows], decode)
    later = [
        replace(part, language=head.language or part.language)
        for parts, head in zip(windows, first, strict=True)
        for part in parts[1:]
    ]
    rest = iter(_in_batches(later, decode))
    return [join([head, *(next(rest) for _ in parts[1:])], parts) for parts, head in zip(windows, first, strict=True)]


def _in_batches(windows: Sequence[Window], decode: Decode) -> list[Decoding]:
    batches = [windows[start : start + BATCH_WINDOWS] for start in range(0, len(windows), BATCH_WINDOWS)]
    return [decoding for batch in batches for decoding in decode(batch)]


def windows_of(recording: Recording) -> Iterator[Window]:
    """Cut a recording into windows of at most 28 s, at the quietest moment of the last eight seconds of each."""
    samples = recording.audio.resampled(SAMPLE_RATE_HZ).samples
    start = 0
    while start == 0 or start < len(samples):
        end = _end_of_window(samples, start)
        yield Window(
            samples=samples[start:end],
            start_s=start / SAMPLE_RATE_HZ,
            language=recording.language,
            languages=recording.languages,
            max_tokens=recording.max_tokens,
        )
        start = max(end, 1)


def _end_of_window(samples: NDArray[np.float32], start: int) -> int:
    limit = start + round(WINDOW_S * SAMPLE_RATE_HZ)
    if limit >= len(samples):
        return len(samples)
    width = round(QUIET_S * SAMPLE_RATE_HZ)
    first = limit - round(SEARCH_S * SAMPLE_RATE_HZ)
    energy = np.concatenate(([0.0], np.cumsum(np.square(samples[first:limit], dtype=np.float64))))
    return first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2


def join(decodings: Sequence[Decoding], windows: Sequence[Window]) -> Decoding:
    """One decoding of all windows of a recording, in order; probabilities are means over the windows."""
    head = decodings[0]
    if len(decodings) == 1:
        return head
    moved = tuple(
        _moved(word, window.start_s)
        for decoding, window in zip(decodings, windows, strict=True)
        for word in decoding.words
    )
    between = "" if head.language in CHARACTER_LANGUAGES else " "
    return Decoding(
        text=between.join(decoding.text for decoding in decodings if decoding.text),
        language=head.language,
        language_probability=head.language_probability,
        words=moved,
        log_probability=_mean([decoding.log_probability for decoding in decodings]),
        confidence=_mean([decoding.confidence for decoding in decodings]),
        no_speech=min(decoding.no_speech for decoding in decodings),
        problem=next((decoding.problem for decoding in decodings if decoding.problem), ""),
    )


def _moved(word: Word, offset_s: float) -> Word:
    return replace(word, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s)


def _mean(values: Sequence[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return sum(given) / len(given) if given else None
