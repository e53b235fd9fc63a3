"""How close a resynthesised recording is to its original: STOI, SI-SDR and, where `pesq` is installed, PESQ.

For vocoders and codecs, where the original is known; an answer of a model has none. The numbers are torchmetrics'; its
import takes seconds, so it is done at the first call.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import DataError
from aqaa_eval.metrics.voice_activity import speech_s

SAMPLE_RATE_HZ = 16_000
MAX_LENGTH_DIFFERENCE = 0.1
MIN_SPEECH_S = 0.4  # STOI looks at stretches of 0.38 s


@dataclass(frozen=True, slots=True, kw_only=True)
class Resynthesis:
    """Closeness of a copy to its original. Higher is closer; None where it cannot be measured.

    Attributes:
        stoi: short-time objective intelligibility, 0 to 1; None without `pystoi`, or with too little speech.
        si_sdr_db: scale-invariant signal-to-distortion ratio. A shift by a millisecond ruins it: it is for codecs
            that keep the phase.
        pesq: wide-band PESQ, 1 to 4.64; None without `pesq`.
    """

    stoi: float | None
    si_sdr_db: float | None
    pesq: float | None


def measure_resynthesis(*, original: Audio, copy: Audio) -> Resynthesis:
    """Compare a copy with its original, both brought to 16 kHz.

    Raises:
        DataError: the lengths differ by more than a tenth, or one is silent.
    """
    here, there = (audio.resampled(SAMPLE_RATE_HZ).samples for audio in (original, copy))
    n_samples = min(len(here), len(there))
    if max(len(here), len(there)) - n_samples > MAX_LENGTH_DIFFERENCE * max(len(here), 1):
        raise DataError(
            f"the copy lasts {copy.duration_s:.2f} s and the original {original.duration_s:.2f} s; "
            "only recordings of about one length can be compared sample by sample"
        )
    if not np.any(here[:n_samples]) or not np.any(there[:n_samples]):
        raise DataError("one of the two recordings is digital silence: there is nothing to compare")
    import torch

    target, estimate = torch.from_numpy(here[:n_samples].copy()), torch.from_numpy(there[:n_samples].copy())
    has_speech = speech_s(original) >= MIN_SPEECH_S
    return Resynthesis(
        stoi=_stoi(estimate, target) if has_speech else None,
        si_sdr_db=_si_sdr(estimate, target),
        pesq=_pesq(estimate, target) if has_speech else None,
    )


def _si_sdr(estimate: Any, target: Any) -> float:
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    return float(scale_invariant_signal_distortion_ratio(estimate, target, zero_mean=True))


def _stoi(estimate: Any, target: Any) -> float | None:
    if importlib.util.find_spec("pystoi") is None:
        return None
    from torchmetrics.functional.audio.stoi import short_time_objective_intelligibility

    return float(short_time_objective_intelligibility(estimate, target, SAMPLE_RATE_HZ))


def _pesq(estimate: Any, target: Any) -> float | None:
    if importlib.util.find_spec("pesq") is None:
        return None
    from torchmetrics.functional.audio.pesq import perceptual_evaluation_speech_quality

    return float(perceptual_evaluation_speech_quality(estimate, target, SAMPLE_RATE_HZ, "wb"))
