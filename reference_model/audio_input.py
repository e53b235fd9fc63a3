"""Recordings as callers have them: a path, bytes, or an array with its sample rate."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from aqaa_eval.reference_model.tokenizer.errors import AudioInputError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """Sound as it came; the tokenizer makes it mono, resamples and checks it.

    Attributes:
        samples: float or PCM integers, [n] or samples and channels.
        sample_rate_hz: its sample rate.
        name: what messages call it.
    """

    samples: NDArray[Any]
    sample_rate_hz: int
    name: str = "audio"

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return max(self.samples.shape, default=0) / self.sample_rate_hz


def read_recording(source: object) -> Recording:
    """Reads one recording.

    Args:
        source: a path, the bytes of a file, a (samples, rate) tuple, a dict with "raw" or "array" and
            "sampling_rate", or a Recording.

    Raises:
        AudioInputError: the file cannot be read, or an array comes without a usable rate.

    >>> read_recording((np.zeros(8, np.float32), 16000)).duration_s
    0.0005
    """
    if isinstance(source, Recording):
        return source
    if isinstance(source, str | os.PathLike):
        return _decode(Path(source), name=str(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(io.BytesIO(bytes(source)), name=f"{len(source)} bytes of audio")
    if isinstance(source, Mapping):
        samples = source.get("raw", source.get("array"))
        return _from_array(samples, source.get("sampling_rate"))
    if isinstance(source, tuple) and len(source) == 2:
        return _from_array(*source)
    raise AudioInputError(
        f"audio of type {type(source).__name__} is not understood: give a path, bytes, (samples, rate), or "
        '{"raw": samples, "sampling_rate": rate}; a bare array has no rate'
    )


def _decode(file: Path | io.BytesIO, *, name: str) -> Recording:
    if isinstance(file, Path):
        _must_be_there(file, name)
    try:
        samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=False)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise AudioInputError(f"{name} is no audio that libsndfile reads: {error}") from error
    return Recording(samples=samples, sample_rate_hz=int(rate_hz), name=name)


def _must_be_there(file: Path, name: str) -> None:
    try:
        is_there = file.is_file()
    except OSError as error:  # such as a name that is too long: the sound itself in the place of its path
        raise AudioInputError(f"{name[:80]}...: no file can have that name: {error.strerror}") from error
    if not is_there:
        raise AudioInputError(f"{name}: there is no such file")


def _from_array(samples: object, rate_hz: object) -> Recording:
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int | np.integer) or rate_hz <= 0:
        raise AudioInputError(f"an array of samples needs its sample rate in Hz, a positive integer, got {rate_hz!r}")
    if samples is None:
        raise AudioInputError('the audio dict has neither "raw" nor "array": one of them must hold the samples')
    return Recording(samples=np.asarray(samples), sample_rate_hz=int(rate_hz))
