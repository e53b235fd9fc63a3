"""Loading and saving: our one-folder form, and the published pieces.

Ours is `config.json`, safetensors (sharded when large) and `tokenizer.model`. Keys: `model.*` and `lm_head.*` for the
decoder as published, `tokenizer.*`, `flow.*`, `hift.*`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from torch import Tensor, nn

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.config import (
    N_AUDIO_CODES,
    PRESETS,
    ModelConfig,
    Step1Config,
    model_config_from_dict,
    tiny,
    to_dict,
)
from aqaa_eval.reference_model.cosyvoice import load_vocoder
from aqaa_eval.reference_model.model import StepAudioAQAA, random_model
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.tokenizer.errors import WeightsError
from aqaa_eval.reference_model.vocabulary import Vocabulary
from aqaa_eval.reference_model.vocoder.filter_hift import build_hift
from aqaa_eval.reference_model.vocoder.flow import Flow
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder
from aqaa_eval.reference_model.weight_files import (
    Placement,
    StoredTensor,
    find_faults,
    load_shards,
    raise_faults,
    read_index,
    remove_weights,
)

MODEL_TYPE = "step_audio_aqaa"
TEXT_ONLY, MULTIMODAL = "step1", "mmgpt_step1_v2"
VOCABULARY_NAME = "tokenizer.model"
BUNDLED = Path(__file__).parent / "weights"
"""Trained weights that come with the package, a folder per preset."""
_HEAD = "lm_head.weight"

DeviceMap = str | dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How weights come into memory.

    Attributes:
        dtype: type of the decoder's weights; None keeps the stored one. Tokenizer and vocoder stay in fp32.
        device_map: where the decoder's layers go, as accelerate takes it ("auto" spreads them over the GPUs); None for
            the CPU.
    """

    dtype: torch.dtype | None = None
    device_map: DeviceMap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedPart:
    """Tensors of a checkpoint that this model has no use for, such as a vision tower.

    Attributes:
        prefix: first part of their names.
        n_tensors: how many they are.
        n_parameters: numbers in them.
    """

    prefix: str
    n_tensors: int
    n_parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStep1:
    """A decoder from a published folder, and what was left there.

    Attributes:
        model: the decoder.
        n_parameters: numbers loaded.
        skipped: what was not loaded.
    """

    model: Step1ForCausalLM
    n_parameters: int
    skipped: tuple[SkippedPart, ...]

    def summary(self) -> str:
        """One line for a log."""
        text = f"loaded {self.n_parameters:,} parameters"
        for part in self.skipped:
            text += f"; skipped {part.prefix}* ({part.n_tensors} tensors, {part.n_parameters:,} parameters)"
        return text


def load_model(name_or_path: str | Path, *, seed: int = 0, options: LoadOptions | None = None) -> StepAudioAQAA:
    """Loads the whole model.

    Args:
        name_or_path: a folder that `save_model` wrote, "tiny" for the bundled weights, or "tiny-random".
        seed: fixes the weights of "tiny-random".
        options: how weights come into memory.

    Raises:
        WeightsError: the folder is not such a one, or does not fit its configuration; all faults are listed.
    """
    name = str(name_or_path)
    if name == "tiny-random":
        return random_model(tiny(), seed)
    folder = weights_folder(name_or_path)
    options = options or LoadOptions()
    if folder.resolve().parent == BUNDLED.resolve():
        options = replace(options, dtype=options.dtype or torch.float32)
    config = read_model_config(folder)
    stored = read_index(folder)
    parts = _blank_parts(config)
    expected = {prefix + key: t for prefix, part in parts.items() for key, t in part.state_dict().items()}
    if config.step1.tie_word_embeddings:
        expected.pop(_HEAD)
    raise_faults(find_faults(expected, stored), source=str(folder))
    for prefix, part in parts.items():
        if prefix:
            load_shards(part, stored, prefix=prefix, placement=Placement(dtype=torch.float32))
    own = {key: tensor for key, tensor in stored.items() if key.startswith(("model.", "lm_head."))}
    backbone = _fill_step1(parts[""], own, options)
    return StepAudioAQAA(
        config,
        backbone=backbone,
        tokenizer=parts["tokenizer."],
        vocoder=Vocoder(parts["flow."], parts["hift."]),
        vocabulary=Vocabulary.from_file(folder / VOCABULARY_NAME),
    )


def weights_folder(name_or_path: str | Path) -> Path:
    """The folder behind a model's name: that of the bundled weights of a preset, or the one that is named.

    Raises:
        WeightsError: a preset without bundled weights.
    """
    name = str(name_or_path)
    if name not in PRESETS or Path(name).exists():
        return Path(name)
    if not (BUNDLED / name).is_dir():
        raise WeightsError(
            f"{name} is a preset, which has sizes but no weights: use tiny, tiny-random or a folder of weights"
        )
    return BUNDLED / name


def _blank_parts(config: ModelConfig) -> dict[str, Any]:
    with torch.device("meta"):
        backbone, flow, hift = Step1ForCausalLM(config.step1), Flow(config.flow), build_hift(config.hift)
    return {"": backbone, "tokenizer.": DualTokenizer.blank(config), "flow.": flow, "hift.": hift}


def read_model_config(folder: Path) -> ModelConfig:
    """Reads the configuration of a folder that `save_model` wrote.

    Raises:
        WeightsError: there is none, or it is another model's.
    """
    values = _read_json(folder / "config.json")
    if values.get("model_type") != MODEL_TYPE or not isinstance(values.get("aqaa"), dict):
        raise WeightsError(
            f"{folder}/config.json is of model_type {values.get('model_type')!r}, must be {MODEL_TYPE!r}: a published "
            "folder holds one part only, see load_step1, load_vocoder and DualTokenizer.from_published"
        )
    try:
        return model_config_from_dict(values["aqaa"])
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{folder}/config.json: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"{path} is missing: give the folder of a checkpoint")
    try:
        values = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is no JSON: {error}") from error
    if not isinstance(values, dict):
        raise WeightsError(f"{path} holds {type(values).__name__}, must be an object")
    return values


def config_values(config: ModelConfig) -> dict[str, Any]:
    """Gives what `config.json` holds."""
    return {"model_type": MODEL_TYPE, "architectures": ["StepAudioAqaaForCausalLM"], "aqaa": to_dict(config)}


def state_dict_of(model: StepAudioAQAA) -> dict[str, Tensor]:
    """Gives all weights of all parts under the names of the one-folder form."""
    model.backbone.separate_projections()
    parts: dict[str, nn.Module] = {
        "": model.backbone,
        "tokenizer.": model.tokenizer,
        "flow.": model.vocoder.flow,
        "hift.": model.vocoder.hift,
    }
    state = {prefix + key: tensor for prefix, part in parts.items() for key, tensor in part.state_dict().items()}
    if model.config.step1.tie_word_embeddings:
        state.pop(_HEAD)
    return state


def save_model(model: StepAudioAQAA, folder: str | Path, *, max_shard_size: str = "5GB") -> None:
    """Writes the one-folder form; weights of an earlier save there are replaced."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_weights(folder)
    save_torch_state_dict(state_dict_of(model), folder, max_shard_size=max_shard_size)
    (folder / VOCABULARY_NAME).write_bytes(model.vocabulary.model_bytes)
    text = json.dumps(config_values(model.config), indent=2)
    (folder / "config.json").write_text(text + "\n", "utf-8")
    # safetensors writes files that only their owner may read.
    for weights in folder.glob("model*.safetensors"):
        weights.chmod((folder / "config.json").stat().st_mode)


def load_step1(folder: str | Path, *, options: LoadOptions | None = None) -> LoadedStep1:
    """Loads the decoder from a published folder.

    The head is tied only if the folder has no `lm_head.weight` and its configuration asks for tying. Of a multimodal
    checkpoint the text part is taken, and the rest reported.

    Raises:
        WeightsError: it does not fit; all faults are listed.
    """
    folder = Path(folder)
    values = _read_json(folder / "config.json")
    kind = values.get("model_type")
    if kind not in (TEXT_ONLY, MULTIMODAL):
        raise WeightsError(f"{folder}/config.json is of model_type {kind!r}, must be {TEXT_ONLY} or {MULTIMODAL}")
    stored = read_index(folder)
    own = {key: tensor for key, tensor in stored.items() if key.startswith(("model.", "lm_head."))}
    others = {key: tensor for key, tensor in stored.items() if key not in own}
    config = _step1_config(values, has_head=_HEAD in stored, path=folder / "config.json")
    with torch.device("meta"):
        model = Step1ForCausalLM(config)
    expected = model.state_dict()
    if config.tie_word_embeddings:
        expected.pop(_HEAD)
    raise_faults(find_faults(expected, own if kind == MULTIMODAL else stored), source=str(folder))
    _fill_step1(model, own, options or LoadOptions())
    return LoadedStep1(
        model=model, n_parameters=sum(t.n_elements for t in own.values()), skipped=_count_skipped(others)
    )


def _step1_config(values: Mapping[str, Any], *, has_head: bool, path: Path) -> Step1Config:
    names = [name for name in Step1Config.__dataclass_fields__ if name in values and name != "tie_word_embeddings"]
    tied = not has_head and values.get("tie_word_embeddings") is True
    if not has_head and not tied:
        raise WeightsError(f"{path.parent} lacks {_HEAD} and its config.json does not ask for tie_word_embeddings")
    try:
        return Step1Config(**{name: values[name] for name in names}, tie_word_embeddings=tied)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path}: {error}") from error


def _count_skipped(others: Mapping[str, StoredTensor]) -> tuple[SkippedPart, ...]:
    tensors: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for key, tensor in others.items():
        prefix = key.split(".", 1)[0] + "."
        tensors[prefix] += 1
        numbers[prefix] += tensor.n_elements
    return tuple(
        SkippedPart(prefix=prefix, n_tensors=tensors[prefix], n_parameters=numbers[prefix])
        for prefix in sorted(tensors)
    )


def _fill_step1(model: Step1ForCausalLM, own: Mapping[str, StoredTensor], options: LoadOptions) -> Step1ForCausalLM:
    """Loads shard by shard, each tensor straight to its place, so that the CPU holds one shard at most."""
    if options.device_map is None:
        load_shards(model, own, placement=Placement(dtype=options.dtype))
        model.tie_head()
        return model.eval()
    from accelerate import dispatch_model, infer_auto_device_map

    device_map = options.device_map
    if isinstance(device_map, str) and device_map != "auto":
        device_map = {"": device_map}
    if not isinstance(device_map, dict):
        device_map = infer_auto_device_map(model, no_split_module_classes=["StepLayer"], dtype=options.dtype)
    if "disk" in device_map.values():
        raise WeightsError(
            "the decoder does not fit into the memory of GPUs and CPU: give a smaller dtype or more GPUs"
        )
    places: dict[str, int | str] = dict(device_map)

    def device_of(key: str) -> torch.device | str | int:
        owner = max((name for name in places if not name or key.startswith(f"{name}.")), key=len)
        return places[owner]

    load_shards(model, own, placement=Placement(dtype=options.dtype, device_of=device_of))
    model.tie_head()
    dispatched: Step1ForCausalLM = dispatch_model(model.eval(), device_map=device_map)
    return dispatched


def assemble(
    *, step1: str | Path, tokenizer: str | Path, vocoder: str | Path, options: LoadOptions | None = None
) -> StepAudioAQAA:
    """Joins the published pieces: decoder folder (with `tokenizer.model`), tokenizer folder, vocoder folder.

    The pieces do not say which prompts and layouts the decoder was trained on: `replace` those of the configuration.

    Raises:
        WeightsError: a piece does not fit.
    """
    vocabulary = Vocabulary.from_file(Path(step1) / VOCABULARY_NAME)
    voice = load_vocoder(Path(vocoder))
    ears = DualTokenizer.from_published(Path(tokenizer))
    loaded = load_step1(step1, options=options)
    config = ModelConfig(
        step1=loaded.model.config,
        flow=voice.flow.config,
        hift=voice.hift.config,
        first_audio_id=vocabulary.first_audio_id,
        n_reserved_audio_ids=vocabulary.size - vocabulary.first_audio_id - N_AUDIO_CODES,
    )
    return StepAudioAQAA(config, backbone=loaded.model, tokenizer=ears, vocoder=voice, vocabulary=vocabulary)
