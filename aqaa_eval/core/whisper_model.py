"""Opening a Whisper checkpoint: the few lines that transcribers and the cascade share. Imports whisper when called."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from aqaa_eval.core.errors import DataError, MissingWeights

if TYPE_CHECKING:
    from whisper import Whisper

# (decoder layers, decoder width, mel bands) of the sizes with published alignment heads, by their name in whisper.
_SIZES = {
    (4, 384, 80): "tiny",
    (6, 512, 80): "base",
    (12, 768, 80): "small",
    (24, 1024, 80): "medium",
    (32, 1280, 80): "large-v2",
    (32, 1280, 128): "large-v3",
    (4, 1280, 128): "large-v3-turbo",
}


def load_whisper(path: Path, *, device: str = "cpu") -> Whisper:
    """Open an openai-whisper checkpoint, ready for `whisper.transcribe`, word times included.

    Whisper's own loader knows the attention heads that follow the time only for names that it downloads itself, and
    word times drift without them; here they are set by the checkpoint's size.

    Args:
        path: a .pt file with `dims` and `model_state_dict`.
        device: a torch device.

    Raises:
        MissingWeights: no such file, or openai-whisper is not installed.
        DataError: the file is not a Whisper checkpoint.
    """
    if not path.is_file():
        raise MissingWeights(f"{path}: no such file; a Whisper checkpoint comes with: aqaa-eval fetch whisper:base")
    try:
        import whisper
    except ImportError as error:
        raise MissingWeights(f"Whisper cannot be imported ({error}): pip install openai-whisper") from error
    try:
        model = whisper.load_model(str(path), device=device)
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, EOFError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{path}: not an openai-whisper checkpoint ({reason})") from error
    size = _SIZES.get((model.dims.n_text_layer, model.dims.n_text_state, model.dims.n_mels))
    if size:
        name = size if model.is_multilingual else f"{size}.en"
        heads = whisper._ALIGNMENT_HEADS.get(name)
        if heads:
            model.set_alignment_heads(heads)
    _open_tokenizer(model)
    return model.eval()


def _open_tokenizer(model: Whisper) -> None:
    """Have whisper read its vocabulary once, here: it leaves the file to the garbage collector, which warns of it."""
    from whisper.tokenizer import get_tokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        # A model for one language ignores the number of languages; a tiny one of a test has no sensible number.
        get_tokenizer(model.is_multilingual, num_languages=max(model.num_languages, 1))
