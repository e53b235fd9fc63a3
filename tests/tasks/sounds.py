"""Small real sound files for tests of suites that are made elsewhere."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 8_000


def wav(frequency_hz: float = 300.0, *, duration_s: float = 0.2) -> bytes:
    """A tone as the bytes of a WAV file; every frequency gives other bytes."""
    t_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.3 * np.sin(2 * np.pi * frequency_hz * t_s), RATE_HZ, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def write_wav(path: Path, frequency_hz: float = 300.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(frequency_hz))
    return path
