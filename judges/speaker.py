"""Whose voice it is: Resemblyzer's encoder (arXiv 1710.10467, Apache-2.0), read as a file of weights.

Its package cannot be imported beside current setuptools, and would cut silences with another detector; so the network
of three LSTM layers and its features are written out here. Two recordings of one voice have a cosine of about 0.9, of
two voices about 0.53 (nine synthetic and human voices). Silence has an embedding, too: it must be gated before.
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import DataError, MissingWeights
from aqaa_eval.metrics.voice_activity import speech_segments

SAMPLE_RATE_HZ = 16_000
FFT_SAMPLES, HOP_SAMPLES, N_MELS = 400, 160, 40
PART_FRAMES, PART_STEP_FRAMES, MIN_COVERAGE = 160, 77, 0.75  # 1.6 s, 1.3 times a second
LEVEL_DBFS = -30.0
SIZE, N_LAYERS = 256, 3


class SpeakerEncoder:
    """Embeds voices; the network is opened when the first one comes."""

    def __init__(self, path: Path) -> None:
        """Take note of the weights.

        Args:
            path: `pretrained.pt` of Resemblyzer.

        Raises:
            MissingWeights: it is not there.
        """
        if not path.is_file():
            raise MissingWeights(f"no {path}; it comes with: aqaa-eval fetch resemblyzer")
        self._path = path

    @cached_property
    def identity(self) -> str:
        """Such as "resemblyzer@39373b86"."""
        import hashlib

        return f"resemblyzer@{hashlib.sha256(self._path.read_bytes()).hexdigest()[:8]}"

    @cached_property
    def _network(self) -> tuple[Any, Any]:
        import pickle

        import torch

        lstm = torch.nn.LSTM(N_MELS, SIZE, N_LAYERS, batch_first=True)
        linear = torch.nn.Linear(SIZE, SIZE)
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)["model_state"]
            for name, module in (("lstm", lstm), ("linear", linear)):
                own = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(name)}
                module.load_state_dict(own)
        except (KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise DataError(f"{self._path}: not Resemblyzer's weights ({str(error).splitlines()[0]})") from error
        return lstm.eval(), linear.eval()

    def embed(self, audio: Audio) -> NDArray[np.float32]:
        """The voice in a recording as a vector of length one, shape (256,).

        Raises:
            DataError: the recording holds no speech.
        """
        import torch

        spoken = _speech_alone(audio)
        if not len(spoken):
            raise DataError("there is no speech to tell a voice from")
        parts = _parts(_mel_power(spoken))
        lstm, linear = self._network
        with torch.inference_mode():
            _, (hidden, _) = lstm(torch.from_numpy(parts))
            raw = torch.relu(linear(hidden[-1]))
            mean = (raw / raw.norm(dim=1, keepdim=True)).mean(0)
            embedding: NDArray[np.float32] = (mean / mean.norm()).numpy()
        return embedding


def similarities(embeddings: list[NDArray[np.float32]]) -> list[float]:
    """Cosines of all pairs, in order.

    >>> similarities([np.array([1, 0], np.float32), np.array([0.6, 0.8], np.float32)])
    [0.6]
    """
    return [round(float(left @ right), 4) for left, right in combinations(embeddings, 2)]


def _speech_alone(audio: Audio) -> NDArray[np.float32]:
    """The speech without its pauses at 16 kHz, lifted to -30 dBFS if it is below."""
    sound = audio.resampled(SAMPLE_RATE_HZ)
    parts = [
        sound.samples[round(part.start_s * SAMPLE_RATE_HZ) : round(part.end_s * SAMPLE_RATE_HZ)]
        for part in speech_segments(audio)
    ]
    spoken = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    level = float(np.sqrt(np.mean(np.square(spoken, dtype=np.float64)))) if len(spoken) else 0.0
    gain = 10 ** (LEVEL_DBFS / 20) / level if level > 0 else 1.0
    return spoken * np.float32(max(gain, 1.0))


def _mel_power(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Power in 40 mel bands, shape (n_frames, 40): frames of 25 ms every 10 ms; not a logarithm."""
    padded = np.pad(samples, FFT_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    window = np.hanning(FFT_SAMPLES + 1)[:-1]
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=1)))
    return (power @ _mel_bands().T).astype(np.float32)


def _mel_bands() -> NDArray[np.float64]:
    """Triangles of equal area on Slaney's mel scale (linear to 1 kHz, logarithmic above), shape (40, 201)."""
    edges_hz = _hz(np.linspace(0.0, _mel(SAMPLE_RATE_HZ / 2), N_MELS + 2))
    bins_hz = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    rise = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    fall = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    triangles: NDArray[np.float64] = np.clip(np.minimum(rise, fall), 0.0, None)
    return triangles * (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]


_KNEE_HZ, _LINEAR_HZ, _LOG_STEP = 1000.0, 200.0 / 3.0, np.log(6.4) / 27.0


def _mel(hz: float) -> float:
    """Slaney's mel of a frequency above 1 kHz."""
    return float(_KNEE_HZ / _LINEAR_HZ + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _KNEE_HZ / _LINEAR_HZ
    return np.where(mel < knee, mel * _LINEAR_HZ, _KNEE_HZ * np.exp(_LOG_STEP * (np.maximum(mel, knee) - knee)))


def _parts(mel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Overlapping stretches of 1.6 s, shape (n_parts, 160, 40); a last one that is mostly missing is left out."""
    starts = list(range(0, max(1, len(mel) - PART_FRAMES + PART_STEP_FRAMES + 1), PART_STEP_FRAMES))
    if len(starts) > 1 and (len(mel) - starts[-1]) / PART_FRAMES < MIN_COVERAGE:
        starts.pop()
    padded = np.pad(mel, ((0, max(0, starts[-1] + PART_FRAMES - len(mel))), (0, 0)))
    return np.stack([padded[start : start + PART_FRAMES] for start in starts])
