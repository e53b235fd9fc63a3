"""Voice quality by Praat: harmonics against noise, and jitter. Only where praat-parselmouth (GPL-3) is installed.

It is an extra of its own, never a part of the core: `pip install 'aqaa-eval[acoustic]'`.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from aqaa_eval.core.audio import Audio

PITCH_FLOOR_HZ, PITCH_CEILING_HZ = 75.0, 600.0
HNR_STEP_S = 0.01
SHORTEST_PERIOD_S, LONGEST_PERIOD_S, LARGEST_FACTOR = 0.0001, 0.02, 1.3  # Praat's own


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceQuality:
    """How clean a voice is. A value is None where there is too little voiced sound.

    Attributes:
        hnr_db: harmonics-to-noise ratio, mean over the voiced frames; a clear voice has 10 to 20.
        jitter_percent: mean difference of neighbouring periods by their mean; a healthy voice has about 1.
    """

    hnr_db: float | None
    jitter_percent: float | None


def can_measure_voice() -> bool:
    """Whether Praat is here."""
    return importlib.util.find_spec("parselmouth") is not None


def measure_voice(audio: Audio) -> VoiceQuality:
    """Measure the voiced sound of a recording.

    Raises:
        ImportError: praat-parselmouth is not installed; see `can_measure_voice`.
    """
    import parselmouth
    from parselmouth.praat import call

    if audio.duration_s < 3.0 / PITCH_FLOOR_HZ:
        return VoiceQuality(hnr_db=None, jitter_percent=None)
    sound = parselmouth.Sound(audio.samples.astype(np.float64), sampling_frequency=audio.sample_rate_hz)
    harmonicity = sound.to_harmonicity_cc(time_step=HNR_STEP_S, minimum_pitch=PITCH_FLOOR_HZ)
    voiced = harmonicity.values[harmonicity.values > -200.0]  # Praat's mark for a frame without a pitch
    points = call(sound, "To PointProcess (periodic, cc)", PITCH_FLOOR_HZ, PITCH_CEILING_HZ)
    bounds = (0.0, 0.0, SHORTEST_PERIOD_S, LONGEST_PERIOD_S, LARGEST_FACTOR)
    return VoiceQuality(
        hnr_db=float(voiced.mean()) if voiced.size else None,
        jitter_percent=_percent(call(points, "Get jitter (local)", *bounds)),
    )


def _percent(share: Any) -> float | None:
    """Praat gives NaN where it has too few periods."""
    return None if math.isnan(share) else 100.0 * float(share)
