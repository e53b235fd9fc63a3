"""The published vocoder folder: `cosyvoice.yaml`, `flow.pt`, `hift.pt`.

The yaml is HyperPyYAML, in which tags name Python objects to build (`!new:`), functions to call (`!apply:`, which seeds
random generators) and other entries (`!ref`). Here a tag builds nothing: an object becomes a dict of its arguments, a
call becomes None, and a reference to a plain entry becomes that entry's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from aqaa_eval.reference_model.config import FlowConfig, HiftConfig
from aqaa_eval.reference_model.tokenizer.errors import WeightsError
from aqaa_eval.reference_model.vocoder.flow import Flow
from aqaa_eval.reference_model.vocoder.hift import Hift
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder
from aqaa_eval.reference_model.weight_files import load_state, load_torch_file


class _PlainLoader(yaml.SafeLoader):
    """A safe loader that knows every tag and obeys none."""


def _plain(loader: _PlainLoader, suffix: str, node: yaml.Node) -> Any:
    if suffix.startswith("apply:"):
        return None
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    value = loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None
    return _Reference(value) if suffix == "ref" and isinstance(value, str) else value


_MAX_DEPTH = 32


class _Reference(str):
    """The text of a `!ref`, such as `<sample_rate>`."""

    __slots__ = ()


_PlainLoader.add_multi_constructor("!", _plain)


def read_plain_yaml(text: str) -> dict[str, Any]:
    r"""Reads HyperPyYAML as plain values.

    Raises:
        WeightsError: it is no yaml, or its top level is no mapping.

    >>> read_plain_yaml("rate: 22050\nhift: !new:some.Class\n  sampling_rate: !ref <rate>")["hift"]
    {'sampling_rate': 22050}
    >>> read_plain_yaml("seed: !apply:os.system [reboot]")
    {'seed': None}
    """
    try:
        _refuse_tricks(text)
        values = yaml.load(text, _PlainLoader)  # a SafeLoader whose tags build plain values only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise WeightsError(f"not yaml: {error}") from error
    if not isinstance(values, dict):
        raise WeightsError(f"the top level is {type(values).__name__}, must be a mapping")
    return {str(key): _resolve(value, values) for key, value in values.items()}


def _refuse_tricks(text: str) -> None:
    """Names for values make a few lines stand for billions of them; deep nesting overruns the stack."""
    depth = 0
    for event in yaml.parse(text, _PlainLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if getattr(event, "anchor", None) is not None or depth > _MAX_DEPTH:
            raise ValueError(f"it holds anchors, or lies more than {_MAX_DEPTH} deep; no published file does")


def _resolve(value: Any, top: Mapping[str, Any]) -> Any:
    if isinstance(value, _Reference):
        target = top.get(value.strip("<>"))
        return target if isinstance(target, str | int | float | bool | None) else str(value)
    if isinstance(value, dict):
        return {key: _resolve(each, top) for key, each in value.items()}
    if isinstance(value, list):
        return [_resolve(each, top) for each in value]
    return value


# Where the yaml keeps each field, outermost first; fields that are not there keep the published default.
_FLOW_FIELDS = {
    "vocab": ("flow", "vocab_size"),
    "dim": ("flow", "encoder", "output_size"),
    "heads": ("flow", "encoder", "attention_heads"),
    "ffn": ("flow", "encoder", "linear_units"),
    "blocks": ("flow", "encoder", "num_blocks"),
    "channels": ("flow", "decoder", "estimator", "channels"),
    "head_dim": ("flow", "decoder", "estimator", "attention_head_dim"),
    "n_heads": ("flow", "decoder", "estimator", "num_heads"),
    "n_blocks": ("flow", "decoder", "estimator", "n_blocks"),
    "n_mid_blocks": ("flow", "decoder", "estimator", "num_mid_blocks"),
    "input_frame_rate_hz": ("flow", "input_frame_rate"),
    "sample_rate_hz": ("sample_rate",),
    "n_mels": ("flow", "output_size"),
    "speaker_dim": ("flow", "spk_embed_dim"),
}
_HIFT_FIELDS = {
    "base_channels": ("hift", "base_channels"),
    "n_harmonics": ("hift", "nb_harmonics"),
    "upsample_rates": ("hift", "upsample_rates"),
    "upsample_kernels": ("hift", "upsample_kernel_sizes"),
    "n_fft": ("hift", "istft_params", "n_fft"),
    "hop": ("hift", "istft_params", "hop_len"),
    "resblock_kernels": ("hift", "resblock_kernel_sizes"),
    "source_resblock_kernels": ("hift", "source_resblock_kernel_sizes"),
    "f0_channels": ("hift", "f0_predictor", "cond_channels"),
    "n_mels": ("hift", "in_channels"),
    "sample_rate_hz": ("sample_rate",),
}


def read_vocoder_config(path: Path) -> tuple[FlowConfig, HiftConfig]:
    """Reads the sizes of flow and HiFT from `cosyvoice.yaml`.

    The frame rate of the tokens must stand in the file: it is not the same in all releases, so it has no default.

    Raises:
        WeightsError: the file is no such yaml or lacks the frame rate.
    """
    try:
        values = read_plain_yaml(path.read_text("utf-8"))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    flow, hift = _pick(values, _FLOW_FIELDS), _pick(values, _HIFT_FIELDS)
    if "input_frame_rate_hz" not in flow:
        raise WeightsError(f"{path} has no flow.input_frame_rate: the length of the speech depends on it")
    flow["input_frame_rate_hz"] = float(flow["input_frame_rate_hz"])
    return FlowConfig(**flow), HiftConfig(**hift)


def _pick(values: Mapping[str, Any], places: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    picked: dict[str, Any] = {}
    for name, place in places.items():
        value: Any = values
        for key in place:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            picked[name] = tuple(value) if isinstance(value, list) else value
    return picked


def load_vocoder(folder: Path) -> Vocoder:
    """Loads the published vocoder folder.

    Raises:
        WeightsError: a file is missing, or its tensors do not fit the yaml's sizes; all faults are listed.
    """
    names = ("cosyvoice.yaml", "flow.pt", "hift.pt")
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise WeightsError(f"{folder} lacks {', '.join(missing)}: a vocoder folder holds {', '.join(names)}")
    flow_config, hift_config = read_vocoder_config(folder / "cosyvoice.yaml")
    with torch.device("meta"):
        flow, hift = Flow(flow_config), Hift(hift_config)
    load_state(flow, load_torch_file(folder / "flow.pt"), source=str(folder / "flow.pt"))
    generator = {key.removeprefix("generator."): t for key, t in load_torch_file(folder / "hift.pt").items()}
    load_state(hift, generator, source=str(folder / "hift.pt"))
    return Vocoder(flow.eval(), hift.eval())
