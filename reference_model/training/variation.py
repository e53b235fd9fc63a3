"""What the same words could also have sounded like: another throat, another microphone, another room.

A handful of voices teaches a tokenizer these voices. Playing a recording a little faster or slower moves its pace, its
pitch and its formants at once, as another speaker's would be (Ko et al., Interspeech 2015); a tilted
spectrum stands for another microphone, noise for another room.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from aqaa_eval.reference_model.training.domain.kinds import ANY_THROAT

TILT = (-0.3, 0.5)
NOISE_SHARE = 0.5
SNR_DB = (12.0, 35.0)


def varied(
    samples: NDArray[np.float32], rng: np.random.Generator, *, semitones: tuple[float, float] = ANY_THROAT
) -> NDArray[np.float32]:
    """Another take of a recording.

    Args:
        samples: float32 mono of any sample rate.
        rng: draws speed, tilt and noise.
        semitones: how far the pitch may go down and up.

    Returns:
        float32 mono, as much longer or shorter as its pitch is moved, with the same peak.
    """
    if not len(samples):
        return samples
    speed = 2.0 ** (rng.uniform(*semitones) / 12)
    played = _played(samples, speed)
    tilted = played - np.float32(rng.uniform(*TILT)) * np.concatenate([played[:1], played[:-1]])
    if rng.random() < NOISE_SHARE:
        level = float(np.sqrt(np.mean(tilted**2))) * 10 ** (-rng.uniform(*SNR_DB) / 20)
        tilted = tilted + np.float32(level) * rng.standard_normal(len(tilted), np.float32)
    peak, wanted = float(np.abs(tilted).max()), float(np.abs(samples).max())
    return np.asarray(tilted * (wanted / peak) if peak else tilted, np.float32)


def _played(samples: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    length = max(1, round(len(samples) / speed))
    wave = torch.from_numpy(samples)[None, None]
    return np.asarray(functional.interpolate(wave, size=length, mode="linear", align_corners=True)[0, 0])
