"""What an answer has to be before it counts as one: checked once, whichever adapter it came from."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from aqaa_eval.core.attempt import Finish, Response, Timing
from aqaa_eval.core.audio import MAX_FILE_BYTES, Audio, read_audio
from aqaa_eval.core.errors import AudioError, ModelError

MAX_ANSWER_S = 300.0
"""What is kept of an answer. A longer one is cut here and marked as truncated; adapters may stop at anything beyond."""
ENOUGH_S = MAX_ANSWER_S + 1.0
"""Where an adapter may stop reading or receiving: the excess is what shows that the answer was longer."""
MIN_ANSWER_RATE_HZ, MAX_ANSWER_RATE_HZ = 8_000, 48_000
MAX_TEXT_CHARACTERS = 1_000_000


def checked_response(response: object) -> Response:
    """Take what a model returned, or say what is wrong with it.

    Sound above 48 kHz is resampled to 48 kHz; nothing else is changed.

    Raises:
        ModelError: not a `Response`, no sound of the right kind, samples that are not finite, a sample rate below
            8 kHz, a text that is no text.

    >>> checked_response("hello")
    Traceback (most recent call last):
    ...
    aqaa_eval.core.errors.ModelError: the model returned a str, not a Response (aqaa_eval.core.attempt.Response)
    """
    if not isinstance(response, Response):
        raise ModelError(
            f"the model returned a {type(response).__name__}, not a Response (aqaa_eval.core.attempt.Response)"
        )
    if response.text is not None and not isinstance(response.text, str):
        raise ModelError(f"the answer's text is a {type(response.text).__name__}; it must be a str or None")
    if response.text is not None and len(response.text) > MAX_TEXT_CHARACTERS:
        raise ModelError(f"the answer's text has {len(response.text)} characters; the limit is {MAX_TEXT_CHARACTERS}")
    _check_timing(response.timing)
    if response.audio is None:
        return response
    return replace(response, audio=_checked_audio(response.audio))


def _check_timing(timing: object) -> None:
    if not isinstance(timing, Timing):
        raise ModelError(f"the answer's timing is a {type(timing).__name__}; it must be a Timing")
    for name in ("total_s", "first_audio_s"):
        value = getattr(timing, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise ModelError(f"the answer's {name} is {value}; it must be finite and not negative")


def _checked_audio(audio: object) -> Audio:
    if not isinstance(audio, Audio):
        raise ModelError(f"the answer's sound is a {type(audio).__name__}; it must be an Audio or None")
    n_bad = int(np.count_nonzero(~np.isfinite(audio.samples)))
    if n_bad:
        raise ModelError(f"{n_bad} of {len(audio.samples)} samples of the answer are NaN or infinite")
    if audio.sample_rate_hz < MIN_ANSWER_RATE_HZ:
        raise ModelError(
            f"the answer has {audio.sample_rate_hz} samples a second; speech needs at least {MIN_ANSWER_RATE_HZ}"
        )
    if audio.sample_rate_hz > MAX_ANSWER_RATE_HZ and len(audio.samples):
        return first_seconds(audio, ENOUGH_S).resampled(MAX_ANSWER_RATE_HZ)
    return audio


def is_too_long(response: Response) -> bool:
    """Whether the answer has more sound than is kept."""
    return response.audio is not None and response.audio.duration_s > MAX_ANSWER_S


def cut_to_limit(response: Response) -> Response:
    """Keep the first `MAX_ANSWER_S` of an answer, finished by length; a shorter one stays as it is."""
    if response.audio is None or not is_too_long(response):
        return response
    return replace(response, audio=first_seconds(response.audio, MAX_ANSWER_S), finish=Finish.LENGTH)


def first_seconds(audio: Audio, duration_s: float) -> Audio:
    """The beginning of a recording.

    >>> first_seconds(Audio.silence(duration_s=3.0), 2.0).duration_s
    2.0
    """
    n_samples = int(duration_s * audio.sample_rate_hz)
    if len(audio.samples) <= n_samples:
        return audio
    return Audio(samples=audio.samples[:n_samples].copy(), sample_rate_hz=audio.sample_rate_hz)


def read_answer(source: Path | bytes, *, name: str) -> Audio:
    """Read an answer that a model wrote as a file; of an endless one only what shows that it is too long.

    Raises:
        AudioError: missing, empty, malformed, not finite, or of more than 512 MiB.
    """
    if isinstance(source, bytes) and len(source) > MAX_FILE_BYTES:
        raise AudioError(f"{name}: {len(source)} bytes, at most {MAX_FILE_BYTES} are read; write 16-bit mono")
    return read_audio(source, name=name, cut_after_s=ENOUGH_S)
