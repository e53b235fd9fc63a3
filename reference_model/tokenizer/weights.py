"""Reading the published files: FunASR's `model.pt` and `am.mvn`, the centroids' `.npy`; and seeded random weights.

Nothing is unpickled beyond tensors (`weights_only=True`, arrays are mapped, not unpickled).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from aqaa_eval.reference_model.config import LinguisticConfig
from aqaa_eval.reference_model.tokenizer.errors import WeightsError
from aqaa_eval.reference_model.tokenizer.fbank import N_FEATURES
from aqaa_eval.reference_model.tokenizer.linguistic import LinguisticEncoder
from aqaa_eval.reference_model.weight_files import load_torch_file

_PREFIX = "encoder."


def load_linguistic(path: Path, config: LinguisticConfig | None = None) -> LinguisticEncoder:
    """Builds the encoder from FunASR's `model.pt`; the decoder and predictor in it are not read.

    Args:
        path: the checkpoint.
        config: its sizes; the published ones if not given.

    Raises:
        WeightsError: keys or shapes do not fit; all are listed.
    """
    state = load_torch_file(path)
    weights = {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}
    with torch.device("meta"):
        encoder = LinguisticEncoder(config or LinguisticConfig())
    load_checked(encoder, weights, source=f"{path} (keys under '{_PREFIX}')")
    return encoder


def load_cmvn(path: Path) -> Tensor:
    """Reads `am.mvn`, Kaldi's text form of a shift and a scale: [2, 560].

    Raises:
        WeightsError: a row is missing or is not 560 numbers.
    """
    text = path.read_text(encoding="utf-8")
    rows = [_cmvn_row(text, name, path) for name in ("AddShift", "Rescale")]
    return torch.tensor(rows)


def _cmvn_row(text: str, name: str, path: Path) -> list[float]:
    found = re.search(rf"<{name}>[^<]*<LearnRateCoef>[^\[]*\[([^\]]*)\]", text)
    values = [float(number) for number in found.group(1).split()] if found else []
    if len(values) != N_FEATURES:
        raise WeightsError(f"{path}: <{name}> has {len(values)} numbers; it must have {N_FEATURES} in brackets")
    return values


def load_codebook(path: Path, config: LinguisticConfig | None = None) -> Tensor:
    """Reads `linguistic_tokenizer.npy`, the centroids: [1024, 512].

    Raises:
        WeightsError: the array has another shape or holds something else than finite floats.
    """
    config = config or LinguisticConfig()
    try:
        # Mapped: a header cannot ask for more than there is; and no archive and no pickle is taken for an array.
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, OSError) as error:
        raise WeightsError(f"{path} is no plain .npy file: {str(error).splitlines()[0]}") from error
    if array.shape != (config.n_codes, config.dim) or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise WeightsError(
            f"{path} holds {array.dtype} {array.shape}; the centroids are finite floats {(config.n_codes, config.dim)}"
        )
    return torch.from_numpy(array.astype(np.float32))


def load_checked(module: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Puts weights into a module (that may be on the meta device), in fp32.

    Raises:
        WeightsError: lists every missing and unexpected key and every wrong shape or type.
    """
    wanted = module.state_dict()
    faults = [f"missing {key} {tuple(wanted[key].shape)}" for key in wanted if key not in weights]
    faults += [f"unexpected {key} {tuple(value.shape)}" for key, value in weights.items() if key not in wanted]
    for key in wanted.keys() & weights.keys():
        have, want = weights[key], wanted[key]
        if have.shape != want.shape:
            faults.append(f"{key} has shape {tuple(have.shape)}, must be {tuple(want.shape)}")
        if not have.is_floating_point():
            faults.append(f"{key} holds {have.dtype}, must be floats")
    if faults:
        lines = "\n  ".join(sorted(faults))
        raise WeightsError(f"{source} does not fit {type(module).__name__} in {len(faults)} places:\n  {lines}")
    module.load_state_dict({key: weights[key].float() for key in wanted}, assign=True)
    module.requires_grad_(False).eval()


def randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Fills a module's parameters: matrices keep a signal's variance, normalisations are the identity."""
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            if parameter.ndim > 1:
                parameter.normal_(0.0, parameter[0].numel() ** -0.5, generator=generator)
            else:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
    module.requires_grad_(False).eval()
