"""What is made of a downloaded file before it is used: a Whisper checkpoint, a transformers folder.

Done once at fetch time, because both take seconds that nobody wants at every start.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from pathlib import Path

from aqaa_eval.core.errors import DataError, MissingWeights
from aqaa_eval.core.weights import Preparation, Weight


def prepare(weight: Weight, folder: Path) -> None:
    """Turn the downloaded files in the folder into what `locate` gives, in place.

    Raises:
        DataError: the file is not what the catalogue says.
        MissingWeights: a package that the conversion needs is not installed.
    """
    if weight.prepare is Preparation.CT2_TO_WHISPER:
        _make_whisper_checkpoint(weight, folder)
    elif weight.prepare is Preparation.CT2_TO_TRANSFORMERS:
        _make_hf_whisper(weight, folder)
    elif weight.prepare is Preparation.GGUF_TO_FOLDER:
        _make_transformers_folder(weight, folder)


def _make_whisper_checkpoint(weight: Weight, folder: Path) -> None:
    from aqaa_eval.core.ct2_whisper import read_checkpoint, write_checkpoint

    export = folder / weight.files[0].name
    checkpoint = read_checkpoint(export)
    if checkpoint.sha256 != weight.tensors_sha256:
        raise DataError(
            f"{weight.name}: the converted tensors hash to {checkpoint.sha256}, the catalogue says "
            f"{weight.tensors_sha256}; nothing was installed"
        )
    write_checkpoint(checkpoint, folder / weight.installed)
    export.unlink()


def _make_hf_whisper(weight: Weight, folder: Path) -> None:
    if importlib.util.find_spec("transformers") is None:
        raise MissingWeights(f"{weight.name}: writing its folder needs transformers: pip install transformers")
    from aqaa_eval.core.ct2_whisper import read_checkpoint
    from aqaa_eval.core.hf_whisper import write_transformers_folder

    export = folder / "model.bin"
    write_transformers_folder(read_checkpoint(export), export=folder, folder=folder)
    export.unlink()


def _make_transformers_folder(weight: Weight, folder: Path) -> None:
    """Unpack the 4-bit blocks to half precision: 270 MB that load in one second, where the GGUF takes eighteen."""
    missing = [name for name in ("gguf", "accelerate", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingWeights(
            f"{weight.name}: unpacking it needs {', '.join(missing)}: pip install 'aqaa-eval[offline]'"
        )
    import torch
    import transformers
    from safetensors.torch import save_file
    from transformers.utils import logging

    gguf = folder / weight.files[0].name
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        # Its progress bars know no switch of their own; a failure still comes as an exception.
        with contextlib.redirect_stderr(io.StringIO()):
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=gguf.name)
            model = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=gguf.name, dtype=torch.float32)
    finally:
        logging.set_verbosity(verbosity)
    state = {name: tensor.to(torch.float16).contiguous() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    # The tensors are plain now; a folder that still claims to be quantised is slow to load and to run.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.dtype = torch.float16
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    gguf.unlink()
