"""Praat's pitch instead of swift-f0's, for whoever has to compare with figures by Praat: set `AQAA_EVAL_PITCH=praat`.

It needs the extra `acoustic` (praat-parselmouth, GPL-3). swift-f0 stays the default, and finds sung notes in any case.
The choice is part of the checks' identity, so runs by different trackers are not compared.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import UnknownName, UsageError

VARIABLE = "AQAA_EVAL_PITCH"
TRACKERS = ("swift-f0", "praat")


def chosen_tracker() -> str:
    """Who measures pitch, by the environment.

    Raises:
        UnknownName: the variable names no tracker.
        UsageError: Praat is asked for and not installed.
    """
    name = os.environ.get(VARIABLE) or TRACKERS[0]
    if name not in TRACKERS:
        raise UnknownName(f"pitch tracker (${VARIABLE})", name, TRACKERS)
    if name == "praat":
        _parselmouth()
    return name


def praat_pitch_hz(audio: Audio, times_s: NDArray[np.float64], *, floor_hz: float, ceiling_hz: float) -> Any:
    """Pitch at given times by Praat's autocorrelation method, shape of `times_s`; 0 where there is no voice."""
    sound = _parselmouth().Sound(audio.samples.astype(np.float64), sampling_frequency=float(audio.sample_rate_hz))
    pitch = sound.to_pitch(pitch_floor=floor_hz, pitch_ceiling=ceiling_hz)
    return np.nan_to_num(np.array([pitch.get_value_at_time(float(time_s)) for time_s in times_s]), nan=0.0)


def _parselmouth() -> Any:
    try:
        import parselmouth
    except ImportError as error:
        raise UsageError(f"{VARIABLE}=praat needs praat-parselmouth: pip install 'aqaa-eval[acoustic]'") from error
    return parselmouth
