"""Weights on disk: what a folder of safetensors shards holds, whether it fits, and loading it a shard at a time.

Only headers are read to check a checkpoint, so a wrong one is refused before its first tensor is.
"""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from aqaa_eval.reference_model.tokenizer.errors import WeightsError

INDEX_NAME = "model.safetensors.index.json"
_FLOATS = {"F32": 4, "BF16": 2, "F16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """One tensor as a file's header describes it.

    Attributes:
        shape: its sizes.
        kind: safetensors' name of its type, such as "BF16".
        path: the file that holds it.
    """

    shape: tuple[int, ...]
    kind: str
    path: Path

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers."""
        return self.kind in _FLOATS

    @property
    def n_elements(self) -> int:
        """How many numbers it has."""
        product = 1
        for size in self.shape:
            product *= size
        return product


def read_index(folder: Path) -> dict[str, StoredTensor]:
    """Lists every tensor of a folder's safetensors files.

    Args:
        folder: holds `model.safetensors`, or shards with their index.

    Raises:
        WeightsError: no weights, or files that are missing, cut short or not as the index says; all are listed.
    """
    index_path = folder / INDEX_NAME
    promised: dict[str, str] = {}
    if index_path.is_file():
        promised = _read_weight_map(index_path)
        paths = [folder / name for name in sorted(set(promised.values()))]
    else:
        paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise WeightsError(f"{folder} holds no *.safetensors: give the folder of a checkpoint")
    stored: dict[str, StoredTensor] = {}
    faults: list[str] = []
    for path in paths:
        if path.parent.resolve() != folder.resolve():
            faults.append(f"{index_path.name} names {path}, outside the folder")
            continue
        try:
            stored |= _read_header(path)
        except (OSError, SafetensorError) as error:
            faults.append(f"{path.name} cannot be read: {error}")
    faults += [f"{name} lacks {key}, which the index puts there" for key, name in promised.items() if key not in stored]
    raise_faults(faults, source=str(folder))
    return stored


def remove_weights(folder: Path) -> None:
    """Remove what a save left in a folder: shards and an index that stay would be read with, or before, new ones."""
    for old in [*folder.glob("model*.safetensors"), *folder.glob("model*.safetensors.index.json")]:
        old.unlink()


def _read_weight_map(path: Path) -> dict[str, str]:
    """File names by key, from the index of a sharded checkpoint."""
    try:
        names = json.loads(path.read_text("utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} is no index of shards: {type(error).__name__}: {error}") from error
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise WeightsError(f"{path} is no index of shards: weight_map must name a file for every key")
    return names


def _read_header(path: Path) -> dict[str, StoredTensor]:
    with safe_open(path, "pt") as file:
        slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        return {
            key: StoredTensor(shape=tuple(s.get_shape()), kind=s.get_dtype(), path=path) for key, s in slices.items()
        }


def find_faults(expected: Mapping[str, Tensor], stored: Mapping[str, StoredTensor]) -> list[str]:
    """Compares what is stored with what a model needs.

    Args:
        expected: a state dict, on the meta device if one likes.
        stored: what the files hold, without what is to be skipped.

    Returns:
        A line for each missing or unexpected key, wrong shape and wrong type.
    """
    faults = [f"missing {key} {tuple(tensor.shape)}" for key, tensor in expected.items() if key not in stored]
    faults += [f"unexpected {key} {tensor.shape}" for key, tensor in stored.items() if key not in expected]
    for key in expected.keys() & stored.keys():
        if tuple(expected[key].shape) != stored[key].shape:
            faults.append(f"{key} has shape {stored[key].shape}, must be {tuple(expected[key].shape)}")
        if expected[key].is_floating_point() and stored[key].kind not in _FLOATS:
            faults.append(f"{key} holds {stored[key].kind}, must be one of {', '.join(_FLOATS)}")
    return sorted(faults)


def raise_faults(faults: Iterable[str], *, source: str, most: int | None = None) -> None:
    """Raises one WeightsError that lists all faults, or the first `most`, if there are any."""
    lines = list(faults)
    if lines:
        left = len(lines[most:]) if most else 0
        text = "\n  ".join([*lines[:most], *([f"... and {left} more"] if left else [])])
        raise WeightsError(f"{source} does not fit in {len(lines)} place{'s' if len(lines) > 1 else ''}:\n  {text}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where tensors go and as what.

    Attributes:
        dtype: their type; None keeps the stored one.
        device_of: the device of the tensor with a given key in the module.
    """

    dtype: torch.dtype | None = None
    device_of: Callable[[str], torch.device | str | int] = lambda key: "cpu"


def load_shards(
    module: nn.Module, stored: Mapping[str, StoredTensor], *, prefix: str = "", placement: Placement | None = None
) -> None:
    """Fills a module that lies on the meta device, holding one shard at a time beside it.

    Args:
        module: takes every tensor under `prefix`; the caller has compared the keys already.
        stored: what the files hold.
        prefix: what the file's keys have before the module's.
        placement: where tensors go and as what.
    """
    placement = placement or Placement()
    by_file: dict[Path, list[str]] = defaultdict(list)
    for key, tensor in stored.items():
        if key.startswith(prefix):
            by_file[tensor.path].append(key)
    for path, keys in by_file.items():
        with safe_open(path, "pt") as file:
            shard = {}
            for key in keys:
                name = key.removeprefix(prefix)
                shard[name] = file.get_tensor(key).to(device=placement.device_of(name), dtype=placement.dtype)
            module.load_state_dict(shard, strict=False, assign=True)


def load_torch_file(path: Path) -> dict[str, Tensor]:
    """Reads a `.pt` state dict; nothing but tensors and plain containers is ever unpickled.

    Raises:
        WeightsError: the file is missing, damaged, or holds something else; code in it is not run.
    """
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # torch raises many kinds for a damaged file; all mean the same here
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} is no plain state dict of tensors: {reason}") from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds {type(state).__name__}, must be a dict of tensors by name")
    return state


def load_state(module: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Puts a state dict into a module (that may lie on the meta device) in fp32.

    Raises:
        WeightsError: keys, shapes or types do not fit; all are listed.
    """
    kinds = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
    stored = {
        key: StoredTensor(shape=tuple(t.shape), kind=kinds.get(t.dtype, str(t.dtype)), path=Path(source))
        for key, t in state.items()
    }
    raise_faults(find_faults(module.state_dict(), stored), source=source)
    module.load_state_dict({key: tensor.float() for key, tensor in state.items()}, assign=True)
