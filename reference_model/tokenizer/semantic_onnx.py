"""The published ONNX file of the semantic tokenizer: its weights under PyTorch's names, or the file run as it is.

An exported graph names its initialisers by number, so a weight is recognised by the node that reads it:
`/blocks.0/attn/query/MatMul` holds `encoder.blocks.0.attn.query.weight`, transposed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aqaa_eval.reference_model.config import SemanticConfig
from aqaa_eval.reference_model.tokenizer.errors import WeightsError
from aqaa_eval.reference_model.tokenizer.semantic import SemanticTokenizer
from aqaa_eval.reference_model.tokenizer.weights import load_checked

_CODEBOOK = "quantizer._codebook.embed"
_POSITIONS = "positional_embedding"
_FRAMES_PER_SECOND, _CODES_PER_SECOND, _TOLERANCE = 100, 25, 2


def load_semantic_onnx(path: Path, config: SemanticConfig | None = None) -> SemanticTokenizer:
    """Builds the PyTorch tokenizer from `speech_tokenizer_v1.onnx` (the 25 Hz one).

    Args:
        path: the ONNX file.
        config: its sizes; the published ones if not given.

    Raises:
        WeightsError: the file lacks a weight or has another shape; all of them are listed.
    """
    with torch.device("meta"):
        tokenizer = SemanticTokenizer(config or SemanticConfig())
    load_checked(tokenizer, read_onnx_weights(path), source=str(path))
    return tokenizer


def read_onnx_weights(path: Path) -> dict[str, Tensor]:
    """Reads the initialisers of the graph under the PyTorch model's keys."""
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"reading weights out of {path} needs the package onnx: pip install onnx, or run the file with OnnxSemantic"
        ) from error
    graph = onnx.load(str(path)).graph
    arrays = {entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in graph.initializer}
    weights: dict[str, Tensor] = {}
    n_convolutions = 0
    for node in graph.node:
        if node.op_type == "Conv":
            n_convolutions += 1
            prefix = f"encoder.conv{n_convolutions}"
            weights |= {f"{prefix}.{part}": arrays[name] for part, name in _conv_parts(node) if name in arrays}
        else:
            weights.update(_weights_of(node, arrays))
    return weights


def _conv_parts(node: Any) -> list[tuple[str, str]]:
    return list(zip(("weight", "bias"), node.input[1:3], strict=False))


def _weights_of(node: Any, arrays: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """The weights that a node other than a convolution reads; whole or single numbers are constants."""
    for position, name in enumerate(node.input):
        array = arrays.get(name)
        if array is None or array.numel() < 2 or not array.is_floating_point():
            continue
        if name.endswith(_POSITIONS):
            yield f"encoder.{_POSITIONS}", array
        elif "quantizer" in node.name and array.ndim == 2:
            yield _CODEBOOK, array.T.contiguous()
        elif "blocks" in node.name:
            part = _part(node.op_type, position)
            yield f"encoder.{_module_of(node.name)}.{part}", array.T.contiguous() if array.ndim == 2 else array


def _part(op_type: str, position: int) -> str:
    """Whether a node's input is a bias: what is added, or the third input of a normalisation."""
    is_bias = op_type == "Add" or (op_type == "LayerNormalization" and position == 2)
    return "bias" if is_bias else "weight"


def _module_of(node_name: str) -> str:
    """The module a node came from.

    >>> _module_of("/blocks.0/mlp/mlp.2/MatMul")
    'blocks.0.mlp.2'
    """
    path = node_name.strip("/").rpartition("/")[0]
    return path.replace("/", ".").replace("mlp.mlp.", "mlp.")


class OnnxSemantic:
    """Runs the ONNX file itself through onnxruntime; a `SemanticCoder`, one window at a time.

    Args:
        path: the ONNX file.
        n_mels: bands of the spectrogram it reads.
        n_threads: threads within one operator.
        providers: onnxruntime's execution providers.
    """

    def __init__(
        self, path: Path, *, n_mels: int = 128, n_threads: int = 1, providers: Sequence[str] = ("CPUExecutionProvider",)
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads
        self._session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=list(providers))
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        self._path = path
        self.n_mels = n_mels

    def codes(self, mels: Sequence[Tensor]) -> list[list[int]]:
        """The codes of each window [M, T].

        Raises:
            WeightsError: the file gives another number of codes than 25 a second, so it is another tokenizer.
        """
        return [self._codes_of(mel) for mel in mels]

    def _codes_of(self, mel_MT: Tensor) -> list[int]:
        feats = mel_MT[None].float().cpu().numpy()
        length = np.array([mel_MT.shape[1]], dtype=np.int32)
        indices = self._session.run(None, dict(zip(self._inputs, (feats, length), strict=True)))[0]
        codes: list[int] = indices.flatten().tolist()
        expected = mel_MT.shape[1] * _CODES_PER_SECOND / _FRAMES_PER_SECOND
        if abs(len(codes) - expected) > _TOLERANCE:
            raise WeightsError(
                f"{self._path} gave {len(codes)} codes for {mel_MT.shape[1] / _FRAMES_PER_SECOND:.2f} s; the semantic "
                f"stream has {_CODES_PER_SECOND} a second: use speech_tokenizer_v1.onnx of CosyVoice-300M-25Hz"
            )
        return codes
