"""PLCMOS v2 (arXiv 2305.15127): how dropouts, and what a codec puts in their place, sound. Not naturalness.

It hears gaps that the others pass over: 40 ms dropouts cost it more than any noise. On anything but speech its numbers
mean nothing (a plain tone gets 3.9), so silence and sound without speech never reach it.

The network hears with the ears of a listener drawn at random; upstream draws fifteen anew each time and takes the mean.
Here the fifteen are drawn once, with a fixed seed, so that the same recording gets the same score.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import MissingWeights
from aqaa_eval.judges.quality import LANGUAGES, SAMPLE_RATE_HZ, at_speech_level

N_LISTENERS, LISTENER_SIZE, LISTENER_SEED = 15, 64, 0
FRAME_SAMPLES, HOP_SAMPLES = 512, 256
FLOOR_NEPER = -12.0 * np.log(10.0)  # silence lies 120 dB under the quietest sound of the recording


class PlcMos:
    """PLCMOS v2: freedom from dropouts, by Microsoft's network."""

    metric = "continuity"
    languages = LANGUAGES

    def __init__(self, path: Path) -> None:
        """Take note of the weights.

        Args:
            path: `plcmos_v2.onnx`, as PLC-Challenge and the speechmos package have it.

        Raises:
            MissingWeights: it is not there.
        """
        if not path.is_file():
            raise MissingWeights(f"no {path}; it comes with: aqaa-eval fetch plcmos")
        self._path = path

    @cached_property
    def identity(self) -> str:
        """Such as "plcmos@c0ad3fc6-25dBFS": hash of the weights, and the level that speech is brought to."""
        return f"plcmos@{hashlib.sha256(self._path.read_bytes()).hexdigest()[:8]}-25dBFS"

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the same sums in the same order on every machine
        return onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])

    @cached_property
    def _listeners(self) -> NDArray[np.float32]:
        drawn = np.random.default_rng(LISTENER_SEED).standard_normal((N_LISTENERS, 1, LISTENER_SIZE))
        return drawn.astype(np.float32)

    def predict(self, audios: Sequence[Audio]) -> list[float]:
        """The scores of the answers at a level of -25 dBFS of their speech."""
        return [round(self.overall(at_speech_level(audio).resampled(SAMPLE_RATE_HZ).samples), 4) for audio in audios]

    def overall(self, samples: NDArray[np.float32]) -> float:
        """The score of samples as they are.

        Args:
            samples: 16 kHz, shape (n_samples,), at least one.
        """
        features = log_power(samples)[None, None]
        heard = [
            float(self._session.run(None, {"degraded_audio": features, "rater_embed": listener})[0])
            for listener in self._listeners
        ]
        return float(np.mean(heard))


def log_power(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network sees: natural logarithm of the power spectrum over 20, shape (n_frames, 257).

    Frames of 32 ms every 16 ms under a Hamming window, the first half of the first one before the beginning.
    """
    n_frames = -(-(len(samples) + HOP_SAMPLES) // HOP_SAMPLES)
    n_right = (n_frames - 1) * HOP_SAMPLES + FRAME_SAMPLES - HOP_SAMPLES - len(samples)
    padded = np.pad(samples, (HOP_SAMPLES, n_right))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES]
    window = np.hamming(FRAME_SAMPLES + 1)[:-1]
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=1)))
    is_sound = power > 0
    if not is_sound.any():
        return np.full(power.shape, -8.0 * np.log(10.0) / 20.0, np.float32)
    logarithm = np.full(power.shape, np.log(power[is_sound].min()) + FLOOR_NEPER)
    logarithm[is_sound] = np.log(power[is_sound])
    return (logarithm / 20.0).astype(np.float32)
