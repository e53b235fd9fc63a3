"""A trained model as it is shipped: decoder and vocoder in half precision, the tokenizer whole."""

from __future__ import annotations

from pathlib import Path

from aqaa_eval.reference_model.checkpoint import load_model, save_model


def ship(model: Path, target: Path) -> Path:
    """Write a model folder at half the size.

    A rounded tokenizer would give other codes than those that the decoder was taught with, so it stays in fp32.

    Args:
        model: folder of a trained model.
        target: folder of the smaller one.

    Returns:
        `target`.
    """
    whole = load_model(model)
    for part in (whole.backbone, whole.vocoder.flow, whole.vocoder.hift):
        part.half()
    save_model(whole, target)
    return target
