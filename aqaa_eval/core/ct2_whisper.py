"""From a CTranslate2 Whisper export to an openai-whisper checkpoint, without CTranslate2.

The two hold the same tensors under other names; the export joins query, key and value into one matrix, which is cut
apart again. File layout (little endian, `model.bin`)::

    u32 version, str specification, u32 revision
    u32 n_variables, then each: str name, u8 rank, u32 shape[rank], u8 dtype, u32 n_bytes, data
    u32 n_aliases, then each: str alias, str name
    str = u16 length with the closing NUL, then the bytes
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqaa_eval.core.errors import DataError

Array = NDArray[np.floating]
_DTYPES: Mapping[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    1: np.dtype("i1"),
    2: np.dtype("<i2"),
    3: np.dtype("<i4"),
    4: np.dtype("<f2"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperCheckpoint:
    """What openai-whisper stores.

    Attributes:
        dims: the sizes that build the network.
        tensors: by openai-whisper's name, in the export's precision.
    """

    dims: Mapping[str, int]
    tensors: Mapping[str, Array]

    @property
    def sha256(self) -> str:
        """Hash over sizes, names, shapes and values: equal networks, equal hash, whatever file they came in."""
        digest = hashlib.sha256(repr(sorted(self.dims.items())).encode())
        for name in sorted(self.tensors):
            array = np.ascontiguousarray(self.tensors[name])
            digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
            digest.update(array.data)
        return digest.hexdigest()


def read_checkpoint(path: Path) -> WhisperCheckpoint:
    """Read a CTranslate2 Whisper `model.bin`.

    Raises:
        DataError: cut, of another format, quantised, or not a Whisper model.
    """
    variables = _Reader(path).variables()
    try:
        tensors = dict(_renamed(variables))
        heads = {side: int(variables[f"{side}/num_heads"].reshape(-1)[0]) for side in ("encoder", "decoder")}
    except KeyError as error:
        raise DataError(f"{path}: no variable {error} in it; this is not a Whisper export") from error
    return WhisperCheckpoint(dims=_dims(tensors, heads), tensors=tensors)


def write_checkpoint(checkpoint: WhisperCheckpoint, path: Path) -> None:
    """Write it as `whisper.load_model` reads it."""
    import torch

    state = {name: torch.from_numpy(np.array(array)) for name, array in checkpoint.tensors.items()}
    torch.save({"dims": dict(checkpoint.dims), "model_state_dict": state}, path)


class _Reader:
    """Walks the file front to back; every read is checked against its end."""

    def __init__(self, path: Path) -> None:
        self._path, self._bytes, self._offset = path, memoryview(path.read_bytes()), 0

    def variables(self) -> dict[str, NDArray[np.generic]]:
        version = self._number("I")
        if version < 5:
            raise DataError(f"{self._path}: format version {version}, 5 or newer is understood")
        self._text(), self._number("I")
        found: dict[str, NDArray[np.generic]] = {}
        for _ in range(self._number("I")):
            name = self._text()
            found[name] = self._array(name)
        for _ in range(self._number("I")):
            alias, name = self._text(), self._text()
            found[alias] = found[name]
        if self._offset != len(self._bytes):
            raise DataError(f"{self._path}: {len(self._bytes) - self._offset} bytes after the end of the model")
        return found

    def _take(self, n_bytes: int) -> memoryview:
        end = self._offset + n_bytes
        if end > len(self._bytes):
            raise DataError(f"{self._path}: cut, {len(self._bytes)} bytes where at least {end} are needed")
        taken, self._offset = self._bytes[self._offset : end], end
        return taken

    def _number(self, code: str) -> int:
        value: int = struct.unpack("<" + code, self._take(struct.calcsize("<" + code)))[0]
        return value

    def _text(self) -> str:
        raw = bytes(self._take(self._number("H")))
        try:
            return raw[:-1].decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{self._path}: a name that is not UTF-8; this is not a CTranslate2 model") from error

    def _array(self, name: str) -> NDArray[np.generic]:
        shape = [self._number("I") for _ in range(self._number("B"))]
        dtype, n_bytes = _DTYPES.get(self._number("B")), self._number("I")
        if dtype is None or n_bytes != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
            raise DataError(
                f"{self._path}: {name} has an unknown type, or {n_bytes} bytes do not fit its shape {shape}"
            )
        values: NDArray[np.generic] = np.frombuffer(self._take(n_bytes), dtype)
        return values.reshape(shape)


Variables = Mapping[str, NDArray[np.generic]]


def _float(variables: Variables, name: str) -> Array:
    array = variables[name]
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(f"{name} is {array.dtype}: a quantised export; the float16 or float32 one is needed")
    return np.asarray(array)


def _renamed(variables: Variables) -> Iterator[tuple[str, Array]]:
    for index in (1, 2):
        yield from _linear(variables, f"encoder/conv{index}", f"encoder.conv{index}")
    yield "encoder.positional_embedding", _float(variables, "encoder/position_encodings/encodings")
    yield from _blocks(variables, "encoder")
    yield from _norm(variables, "encoder/layer_norm", "encoder.ln_post")
    yield "decoder.token_embedding.weight", _float(variables, "decoder/embeddings/weight")
    yield "decoder.positional_embedding", _float(variables, "decoder/position_encodings/encodings")
    yield from _blocks(variables, "decoder")
    yield from _norm(variables, "decoder/layer_norm", "decoder.ln")


def _blocks(variables: Variables, side: str) -> Iterator[tuple[str, Array]]:
    index = 0
    while f"{side}/layer_{index}/self_attention/layer_norm/gamma" in variables:
        source, target = f"{side}/layer_{index}", f"{side}.blocks.{index}"
        yield from _norm(variables, f"{source}/self_attention/layer_norm", f"{target}.attn_ln")
        yield from _cut(variables, f"{source}/self_attention/linear_0", f"{target}.attn", ("query", "key", "value"))
        yield from _linear(variables, f"{source}/self_attention/linear_1", f"{target}.attn.out")
        if side == "decoder":
            yield from _norm(variables, f"{source}/attention/layer_norm", f"{target}.cross_attn_ln")
            yield from _cut(variables, f"{source}/attention/linear_0", f"{target}.cross_attn", ("query",))
            yield from _cut(variables, f"{source}/attention/linear_1", f"{target}.cross_attn", ("key", "value"))
            yield from _linear(variables, f"{source}/attention/linear_2", f"{target}.cross_attn.out")
        yield from _norm(variables, f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
        yield from _linear(variables, f"{source}/ffn/linear_0", f"{target}.mlp.0")
        yield from _linear(variables, f"{source}/ffn/linear_1", f"{target}.mlp.2")
        index += 1
    if not index:
        raise KeyError(f"{side}/layer_0")


def _linear(variables: Variables, source: str, target: str) -> Iterator[tuple[str, Array]]:
    yield f"{target}.weight", _float(variables, f"{source}/weight")
    yield f"{target}.bias", _float(variables, f"{source}/bias")


def _norm(variables: Variables, source: str, target: str) -> Iterator[tuple[str, Array]]:
    yield f"{target}.weight", _float(variables, f"{source}/gamma")
    yield f"{target}.bias", _float(variables, f"{source}/beta")


def _cut(variables: Variables, source: str, target: str, names: Sequence[str]) -> Iterator[tuple[str, Array]]:
    """Cut a joined projection into its parts; the key has no bias in Whisper, the export fills it with zeros."""
    weights = np.split(_float(variables, f"{source}/weight"), len(names))
    biases = np.split(_float(variables, f"{source}/bias"), len(names))
    for name, weight, bias in zip(names, weights, biases, strict=True):
        yield f"{target}.{name}.weight", weight
        if name != "key":
            yield f"{target}.{name}.bias", bias
        elif np.any(bias):
            raise DataError(f"{source}: the key has a bias, Whisper's has none; this is not a Whisper export")


def _dims(tensors: Mapping[str, Array], heads: Mapping[str, int]) -> dict[str, int]:
    n_audio_ctx, n_audio_state = tensors["encoder.positional_embedding"].shape
    n_text_ctx, n_text_state = tensors["decoder.positional_embedding"].shape
    return {
        "n_mels": tensors["encoder.conv1.weight"].shape[1],
        "n_audio_ctx": n_audio_ctx,
        "n_audio_state": n_audio_state,
        "n_audio_head": heads["encoder"],
        "n_audio_layer": sum(name.startswith("encoder.") and name.endswith(".attn_ln.bias") for name in tensors),
        "n_vocab": tensors["decoder.token_embedding.weight"].shape[0],
        "n_text_ctx": n_text_ctx,
        "n_text_state": n_text_state,
        "n_text_head": heads["decoder"],
        "n_text_layer": sum(name.startswith("decoder.") and name.endswith(".attn_ln.bias") for name in tensors),
    }
