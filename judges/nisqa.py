"""NISQA v2 (arXiv 2104.09494), its overall score: quality of speech that went through codecs, lines and noise.

The network is torchmetrics'; its weights (`nisqa.tar` of gabrielmittag/NISQA) are published on GitHub only, so the file
is given by path and never fetched: `--speech-mos nisqa:/path/to/nisqa.tar`. What it hears is made here, because
torchmetrics takes librosa for it, and nothing else here would need that.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import DataError, UsageError
from aqaa_eval.judges.quality import at_speech_level

SAMPLE_RATE_HZ = 48_000  # as its training recordings; a narrower one leaves the upper bands empty
MAX_PART_S = 50.0  # the network takes 52 s at the most
MIN_PART_S = 0.2  # and a window of 0.15 s at the least
MIN_AMPLITUDE, RANGE_DB = 1e-4, 80.0


class Nisqa:
    """NISQA's overall quality, 1 to 5."""

    metric = "nisqa"
    languages = ("en", "de")  # of the recordings that it was trained and tested on

    def __init__(self, path: Path) -> None:
        """Take note of the weights.

        Args:
            path: `nisqa.tar`.

        Raises:
            UsageError: it is not there.
        """
        if not path.is_file():
            raise UsageError(
                f"--speech-mos nisqa:{path}: no such file; it is nisqa.tar from the folder weights of "
                "github.com/gabrielmittag/NISQA, or let VERSA compute NISQA and give versa:FILE"
            )
        self._path = path

    @cached_property
    def identity(self) -> str:
        """Such as "nisqa@1f3c9a20-25dBFS": hash of the weights, and the level that speech is brought to."""
        return f"nisqa@{hashlib.sha256(self._path.read_bytes()).hexdigest()[:8]}-25dBFS"

    @cached_property
    def _loaded(self) -> tuple[Any, dict[str, Any]]:
        import torch
        from torchmetrics.functional.audio.nisqa import _NISQADIM

        try:
            checkpoint = torch.load(self._path, map_location="cpu", weights_only=True)
            model = _NISQADIM(checkpoint["args"])
            model.load_state_dict(checkpoint["model_state_dict"], strict=True)
        except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, EOFError) as error:
            told = " ".join(str(error).split())[:200]
            raise DataError(f"{self._path}: not the weights of NISQA v2 ({told}); see --speech-mos nisqa") from error
        return model.eval(), checkpoint["args"]

    def predict(self, audios: Sequence[Audio]) -> list[float]:
        """The overall scores of the answers at a level of -25 dBFS of their speech; of long ones the mean of parts."""
        return [round(self.overall(at_speech_level(audio).resampled(SAMPLE_RATE_HZ).samples), 4) for audio in audios]

    def overall(self, samples: NDArray[np.float32]) -> float:
        """The score of samples as they are.

        Args:
            samples: 48 kHz, shape (n_samples,); shorter than 0.2 s they are filled up with silence.
        """
        n_missing = int(MIN_PART_S * SAMPLE_RATE_HZ) - len(samples)
        whole = np.pad(samples, (0, max(0, n_missing)))
        n_parts = -(-len(whole) // int(MAX_PART_S * SAMPLE_RATE_HZ))
        return float(np.mean([self._dimensions(part)[0] for part in np.array_split(whole, n_parts)]))

    def _dimensions(self, samples: NDArray[np.float32]) -> list[float]:
        """Overall quality, noisiness, discontinuity, coloration, loudness."""
        import torch
        from torchmetrics.functional.audio.nisqa import _segment_specs

        model, args = self._loaded
        bands = torch.from_numpy(mel_decibels(samples, args)[None])
        windows, n_windows = _segment_specs(bands, args)
        with torch.inference_mode():
            found: list[float] = model(windows, n_windows.expand(1))[0].tolist()
        return found


def mel_decibels(samples: NDArray[np.float32], args: dict[str, Any]) -> NDArray[np.float32]:
    """What the network sees: amplitudes in mel bands in decibels, at most 80 below the loudest, (n_bands, n_frames).

    Args:
        samples: 48 kHz.
        args: of the checkpoint; "ms_..." describe the bands.
    """
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    n_window, n_hop = (int(SAMPLE_RATE_HZ * args[name]) for name in ("ms_win_length", "ms_hop_length"))
    filters = mel_filter_bank(
        num_frequency_bins=args["ms_n_fft"] // 2 + 1,
        num_mel_filters=args["ms_n_mels"],
        min_frequency=0.0,
        max_frequency=args["ms_fmax"],
        sampling_rate=SAMPLE_RATE_HZ,
        norm="slaney",
        mel_scale="slaney",
    )
    found: NDArray[np.float32] = spectrogram(
        samples,
        window_function(n_window, "hann"),
        frame_length=n_window,
        hop_length=n_hop,
        fft_length=args["ms_n_fft"],
        power=1.0,
        mel_filters=filters,
        mel_floor=MIN_AMPLITUDE,
        log_mel="dB",
        min_value=MIN_AMPLITUDE,
        db_range=RANGE_DB,
    )
    return found
