"""A trained model as it is shipped: in half precision."""

from __future__ import annotations

from pathlib import Path

from aqaa_eval.reference_model.checkpoint import load_model, save_model


def ship(model: Path, target: Path) -> Path:
    """Write a model folder at half the size.

    The recipe's tokenizers were rounded before they coded anything, so these give the same codes.

    Args:
        model: folder of a trained model.
        target: folder of the smaller one.

    Returns:
        `target`.
    """
    whole = load_model(model)
    for part in (whole.backbone, whole.tokenizer, whole.vocoder.flow, whole.vocoder.hift):
        part.half()
    save_model(whole, target)
    return target
