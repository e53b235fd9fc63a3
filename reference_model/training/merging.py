"""Weighted merge of checkpoints, one tensor in memory at a time.

Step-Audio-AQAA merges its three stages as W = (5 W_SFT1 + 5 W_SFT2 + 1 W_DPO) / 11. Shards are read and written one by
one, so a merge of 130 B parameters needs the memory of one shard.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from functools import reduce
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from aqaa_eval.reference_model.config import Step1Config
from aqaa_eval.reference_model.tokenizer.errors import WeightsError
from aqaa_eval.reference_model.weight_files import StoredTensor, raise_faults, read_index, remove_weights

PAPER_WEIGHTS = (5.0, 5.0, 1.0)
"""SFT 1, SFT 2, DPO."""
_LISTED = 10
_OF_ANSWERS = ("layouts", "max_new_tokens", "temperature")
"""Settings of a configuration that no weight depends on."""


def merge_checkpoints(folders: Sequence[Path], out: Path, *, weights: Sequence[float] = PAPER_WEIGHTS) -> None:
    """Write the weighted mean of checkpoints of one shape.

    Shards, index and every other file are those of the first folder; weights that `out` held are replaced. The mean has
    the widest of a tensor's floating-point types. Tensors that are not floating point must be equal in all. Where it
    fails, nothing is left in `out`.

    Args:
        folders: checkpoints, each `model.safetensors` or shards with an index.
        out: folder to write; must not be one of the others.
        weights: one per folder, at least 0, not all 0; they are divided by their sum.

    Raises:
        WeightsError: another number of weights than folders, keys, shapes, sizes or a vocabulary that differ (the first
            such faults are listed), or the first tensor with numbers that are not finite.
    """
    shares = _shares(weights, len(folders))
    if out.resolve() in [folder.resolve() for folder in folders]:
        raise WeightsError(f"{out} is one of the checkpoints that are merged; write to another folder")
    stored = [read_index(folder) for folder in folders]
    raise_faults(_differences(folders, stored), source="the checkpoints to be merged", most=_LISTED)
    out.mkdir(parents=True, exist_ok=True)
    names = sorted({tensor.path.name for tensor in stored[0].values()})
    parts = {name: out / f"{name}.part" for name in names}
    try:
        for name, part in parts.items():
            save_file(_merged(name, folders, stored, shares), part, metadata={"format": "pt"})
    except BaseException:
        for part in parts.values():
            part.unlink(missing_ok=True)
        raise
    remove_weights(out)
    for name, part in parts.items():
        part.replace(out / name)
    _copy_rest(folders[0], out)


def _shares(weights: Sequence[float], n: int) -> list[float]:
    if len(weights) != n or n == 0:
        raise WeightsError(f"{len(weights)} weights for {n} checkpoints: give one to each")
    total = sum(weights)
    if not all(weight >= 0 for weight in weights) or not 0 < total < float("inf"):
        raise WeightsError(f"merge weights {list(weights)} must be at least 0 and not all 0: they are shares")
    return [weight / total for weight in weights]


def _differences(folders: Sequence[Path], stored: Sequence[dict[str, StoredTensor]]) -> list[str]:
    faults = []
    first_vocabulary = _vocabulary(folders[0])
    for folder, tensors in zip(folders[1:], stored[1:], strict=True):
        if _vocabulary(folder) != first_vocabulary:
            faults.append(f"{folder} has another tokenizer.model than {folders[0]}")
        faults += _other_sizes(folder, folders[0])
        faults += [f"{folder} lacks {key}" for key in stored[0] if key not in tensors]
        faults += [f"{folder} has {key}, which {folders[0]} lacks" for key in tensors if key not in stored[0]]
        faults += [
            f"{key} is {tensors[key].kind} {tensors[key].shape} in {folder} and {mine.kind} {mine.shape} in "
            f"{folders[0]}"
            for key, mine in stored[0].items()
            if key in tensors and not _can_be_averaged(tensors[key], mine)
        ]
    return faults


def _can_be_averaged(one: StoredTensor, other: StoredTensor) -> bool:
    return one.shape == other.shape and (one.kind == other.kind or (one.is_float and other.is_float))


def _other_sizes(folder: Path, first: Path) -> list[str]:
    mine, theirs = _sizes(folder), _sizes(first)
    return [
        f"{name} is {mine.get(name)} in {folder}/config.json and {theirs.get(name)} in {first}'s"
        for name in sorted(mine.keys() | theirs)
        if mine.get(name) != theirs.get(name)
    ]


def _sizes(folder: Path) -> dict[str, object]:
    """What a configuration says of the weights, by dotted name; of a published folder the decoder's part."""
    path = folder / "config.json"
    values = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if ours := values.get("aqaa"):
        return {
            f"{part}.{name}" if isinstance(inner, dict) else part: value
            for part, inner in ours.items()
            for name, value in (inner.items() if isinstance(inner, dict) else [("", inner)])
            if part not in _OF_ANSWERS
        }
    return {each.name: values[each.name] for each in fields(Step1Config) if each.name in values}


def _vocabulary(folder: Path) -> bytes:
    path = folder / "tokenizer.model"
    return path.read_bytes() if path.is_file() else b""


def _merged(
    name: str, folders: Sequence[Path], stored: Sequence[dict[str, StoredTensor]], shares: Sequence[float]
) -> dict[str, Tensor]:
    """The tensors of one shard."""
    keys = sorted(key for key, tensor in stored[0].items() if tensor.path.name == name)
    with ExitStack() as stack:
        files = {
            path: stack.enter_context(safe_open(path, "pt"))
            for path in sorted({tensors[key].path for tensors in stored for key in keys})
        }
        return {
            key: _mean([files[tensors[key].path].get_tensor(key) for tensors in stored], shares, key, folders)
            for key in keys
        }


def _mean(tensors: Sequence[Tensor], shares: Sequence[float], key: str, folders: Sequence[Path]) -> Tensor:
    first = tensors[0]
    if not first.is_floating_point():
        if not all(torch.equal(first, other) for other in tensors[1:]):
            raise WeightsError(f"{key} holds whole numbers that differ between the checkpoints: nothing to average")
        return first
    # In fp32 at the least: three bf16 numbers averaged in bf16 lose a bit of what the stages learnt.
    total = torch.zeros(first.shape, dtype=torch.promote_types(first.dtype, torch.float32))
    widest = reduce(torch.promote_types, (tensor.dtype for tensor in tensors))
    for tensor, share, folder in zip(tensors, shares, folders, strict=True):
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{key} holds NaN or infinite numbers in {folder}: that stage diverged")
        total.add_(tensor.to(total.dtype), alpha=share)
    return total.to(widest)


def _copy_rest(folder: Path, out: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix != ".safetensors":
            shutil.copyfile(path, out / path.name)
