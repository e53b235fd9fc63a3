"""The reference implementation of Step-Audio-AQAA: dual-codebook tokenizer, Step-1 decoder, flow and HiFT vocoder.

Importing this package loads no torch; the two functions below do, when they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aqaa_eval.reference_model.model import StepAudioAQAA

__all__ = ["load", "register"]


def register() -> None:
    """Makes transformers know the model: AutoConfig, AutoModelForCausalLM and `audio-question-answering`.

    After it, `transformers.pipeline("audio-question-answering", model=PATH)(audio)` answers in text and speech.
    Calling it again changes nothing.
    """
    from aqaa_eval.reference_model.hub import register_with_transformers

    register_with_transformers()


def load(name_or_path: str, **options: Any) -> StepAudioAQAA:
    """Loads the whole model.

    Args:
        name_or_path: a folder made by `checkpoint.save_model`, `tiny` for the bundled weights, `tiny-random` for noise.
        options: passed to `checkpoint.load_model`.
    """
    from aqaa_eval.reference_model.checkpoint import load_model

    return load_model(name_or_path, **options)
