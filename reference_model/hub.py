"""The model as transformers sees it: configuration, auto classes and the `audio-question-answering` pipeline.

Weights are read and written by `checkpoint`, not by transformers, so a wrong checkpoint gives our one error that lists
everything, and the folder is the same whichever way it was saved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, Pipeline, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput
from transformers.pipelines import PIPELINE_REGISTRY

from aqaa_eval.reference_model.audio_input import read_recording
from aqaa_eval.reference_model.checkpoint import (
    MODEL_TYPE,
    LoadOptions,
    load_model,
    save_model,
)
from aqaa_eval.reference_model.config import ModelConfig, model_config_from_dict, tiny, to_dict
from aqaa_eval.reference_model.conversation import Utterance
from aqaa_eval.reference_model.model import AnswerOptions, SpokenAnswer, StepAudioAQAA, random_model

TASK = "audio-question-answering"


class StepAudioAqaaConfig(PreTrainedConfig):  # type: ignore[misc]
    """transformers' wrapping of `ModelConfig`.

    Attributes:
        aqaa: the plain values of `config.to_dict(ModelConfig)`.
    """

    model_type = MODEL_TYPE

    def __init__(self, aqaa: dict[str, Any] | None = None, **rest: Any) -> None:
        super().__init__(**rest)
        self.aqaa = to_dict(tiny()) if aqaa is None else aqaa

    @property
    def model_config(self) -> ModelConfig:
        """The sizes of every part."""
        return model_config_from_dict(self.aqaa)


class StepAudioAqaaForCausalLM(PreTrainedModel):  # type: ignore[misc]
    """transformers' wrapping of the whole model.

    `forward` is the decoder's; `core` is the model that hears and speaks.
    """

    config_class = StepAudioAqaaConfig
    base_model_prefix = "backbone"
    main_input_name = "input_ids"

    def __init__(self, config: StepAudioAqaaConfig, core: StepAudioAQAA | None = None) -> None:
        super().__init__(config)
        self.core = core or random_model(config.model_config, seed=0)
        # Registered so that .to() and .parameters() reach them.
        self.backbone = self.core.backbone
        self.audio_tokenizer = self.core.tokenizer
        self.flow = self.core.vocoder.flow
        self.hift = self.core.vocoder.hift

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None, **_: Any
    ) -> CausalLMOutput:
        """Gives the decoder's logits, and with labels the mean loss of the next tokens (-100 is passed over)."""
        logits_BTV = self.backbone(input_ids, attention_mask)
        loss = None
        if labels is not None:
            shifted = logits_BTV[:, :-1].float().flatten(0, 1)
            loss = torch.nn.functional.cross_entropy(shifted, labels[:, 1:].flatten(), ignore_index=-100)
        return CausalLMOutput(loss=loss, logits=logits_BTV)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *_: Any, **options: Any) -> Any:
        """Loads a folder, or a repository of the Hub, that `save_pretrained` wrote.

        Args:
            pretrained_model_name_or_path: folder or repository id.
            options: `dtype` (a torch type, its name, or "auto"), `device_map`, and for a repository `revision`,
                `token`, `cache_dir`, `local_files_only`; others are passed over, as other models do.

        Raises:
            WeightsError: it does not fit; all faults are listed.
        """
        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            names = ("revision", "token", "cache_dir", "local_files_only")
            chosen = {name: options[name] for name in names if options.get(name) is not None}
            folder = Path(snapshot_download(str(pretrained_model_name_or_path), **chosen))
        dtype = options.get("dtype")
        if isinstance(dtype, str):
            dtype = None if dtype == "auto" else getattr(torch, dtype)
        core = load_model(folder, options=LoadOptions(dtype=dtype, device_map=options.get("device_map")))
        config = StepAudioAqaaConfig(aqaa=to_dict(core.config), name_or_path=str(pretrained_model_name_or_path))
        return cls(config, core)

    def save_pretrained(self, save_directory: str | Path, *_: Any, **options: Any) -> None:
        """Writes the one-folder form; with `push_to_hub=True` uploads it, too.

        Args:
            save_directory: created if need be.
            options: `max_shard_size`, `push_to_hub`, and what `push_to_hub` takes.
        """
        save_model(self.core, save_directory, max_shard_size=str(options.pop("max_shard_size", "5GB")))
        if options.pop("push_to_hub", False):
            repository = options.pop("repo_id", Path(save_directory).name)
            self.push_to_hub(repository, **{k: v for k, v in options.items() if k in ("token", "private", "revision")})


class AudioQuestionAnsweringPipeline(Pipeline):  # type: ignore[misc]
    """Spoken question in, text and spoken answer out: {"text", "audio", "sampling_rate"}."""

    _load_tokenizer = False
    _load_processor = False
    _load_feature_extractor = False
    _load_image_processor = False
    _load_video_processor = False

    def __call__(self, inputs: object, **options: Any) -> Any:
        """Answers one recording, or each of a list.

        Args:
            inputs: a path, bytes, (samples, rate), {"raw", "sampling_rate"}, or a list of them.
            options: `layout`, `seed`, `max_new_tokens`, `temperature`, `top_p`, `top_k`, `sample_rate_hz`,
                `batch_size`.

        Raises:
            AudioInputError: a recording cannot be used.
        """
        if isinstance(inputs, list):
            recordings = [read_recording(source) for source in inputs]  # all are checked before any is answered
            return super().__call__(recordings, **options)
        return super().__call__(read_recording(inputs), **options)

    def _sanitize_parameters(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        sampling_names = {"max_new_tokens", "temperature", "top_p", "top_k"}
        answer_names = {"layout", "seed", "sample_rate_hz", "allow_untrained_layout", "speaker"}
        if unknown := sorted(set(options) - sampling_names - answer_names):
            raise ValueError(
                f"{TASK} has no option {', '.join(unknown)}; it has {', '.join(sorted(sampling_names | answer_names))}"
            )
        forward: dict[str, Any] = {name: options[name] for name in answer_names if name in options}
        if chosen := {name: options[name] for name in sampling_names if name in options}:
            forward["sampling"] = chosen
        return {}, forward, {}

    def preprocess(self, recording: Any, **_: Any) -> dict[str, Any]:
        """Opens a conversation with the recording."""
        return {"conversation": [Utterance(role="human", recording=recording)]}

    def _forward(self, model_inputs: dict[str, Any], **options: Any) -> dict[str, Any]:
        core: StepAudioAQAA = self.model.core
        chosen = options.pop("sampling", None)
        sampling = None if chosen is None else replace(core.published_sampling(), **chosen)
        answer = core.answer(model_inputs["conversation"], AnswerOptions(sampling=sampling, **options))
        return {"answer": answer}

    def postprocess(self, model_outputs: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Names the answer's parts as transformers' audio pipelines do."""
        answer: SpokenAnswer = model_outputs["answer"]
        return {"text": answer.text, "audio": answer.audio, "sampling_rate": answer.sample_rate_hz}

    def _ensure_tensor_on_device(self, inputs: Any, device: torch.device) -> Any:
        """Leaves recordings and answers as they are: the model moves what it computes with."""
        return inputs


def register_with_transformers() -> None:
    """Registers the classes above; calling it again changes nothing."""
    AutoConfig.register(MODEL_TYPE, StepAudioAqaaConfig, exist_ok=True)
    AutoModelForCausalLM.register(StepAudioAqaaConfig, StepAudioAqaaForCausalLM, exist_ok=True)
    if TASK not in _known_tasks():
        PIPELINE_REGISTRY.register_pipeline(
            TASK, pipeline_class=AudioQuestionAnsweringPipeline, pt_model=AutoModelForCausalLM, type="multimodal"
        )


def _known_tasks() -> Iterable[str]:
    tasks: Iterable[str] = PIPELINE_REGISTRY.supported_tasks
    return tasks


def wrap(core: StepAudioAQAA) -> StepAudioAqaaForCausalLM:
    """Gives a model its transformers surface, for `save_pretrained` and `push_to_hub`."""
    return StepAudioAqaaForCausalLM(StepAudioAqaaConfig(aqaa=to_dict(core.config)), core)


__all__ = [
    "AudioQuestionAnsweringPipeline",
    "StepAudioAqaaConfig",
    "StepAudioAqaaForCausalLM",
    "register_with_transformers",
    "wrap",
]
