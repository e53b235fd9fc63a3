"""`qwen2.5-omni` and `qwen3-omni`: Alibaba's speech models through transformers, sound in, text and sound out.

Three traps are handled here. transformers 4 takes `return_audio`, 5 takes `generation_mode`: the signature decides. The
end tokens of the talker are fixed numbers in one generation's defaults: they are read from the checkpoint. And the
processors need torchvision: see `qwen_prompt`. Code from a checkpoint is never run (`trust_remote_code` stays off).
"""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from aqaa_eval.adapters.checkpoints import find_checkpoint
from aqaa_eval.adapters.options import option, refuse_unknown
from aqaa_eval.adapters.qwen_prompt import QWEN3, QWEN25, Dialect, Prompt, PromptMaker
from aqaa_eval.core.attempt import Finish, Query, Response, Timing
from aqaa_eval.core.audio import Audio, from_samples
from aqaa_eval.core.errors import MissingWeights, UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

SAMPLE_RATE_HZ = 24_000
_SETTINGS = {
    "voice": "name of the speaker; Qwen2.5: Chelsie (default), Ethan; Qwen3: Ethan (default), Chelsie, Aiden",
    "system": "system prompt; the default is the published one that Qwen2.5's speech needs, none for Qwen3",
    "max_new_tokens": "text tokens of an answer at the most (1024)",
    "max_audio_tokens": "speech codes of an answer at the most (4096: 82 s of Qwen2.5, 328 s of Qwen3)",
    "temperature": "of the text; 0 is greedy (default)",
    "audio_temperature": "of the speech; -1 for the model's own (default), 0 is greedy",
    "audio": "false to ask for text alone",
    "batch": "conversations that are answered together (1)",
    "device": "torch device (cuda if there is one)",
    "device_map": "auto spreads the weights over several devices (needs accelerate)",
    "dtype": "auto (as stored), float32, bfloat16 or float16",
    "attention": "attention kernel: sdpa (default), eager or flash_attention_2",
    "revision": "branch, tag or commit on the hub (main)",
}
_DTYPES = ("auto", "float32", "bfloat16", "float16")
_NOT_OF_IDENTITY = ("device", "device_map", "revision")


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenSettings:
    """How it is loaded and asked; see `_SETTINGS` for what each means."""

    voice: str = ""
    system: str | None = None
    max_new_tokens: int = 1024
    max_audio_tokens: int = 4096
    temperature: float = 0.0
    audio_temperature: float = -1.0
    audio: bool = True
    batch: int = 1
    device: str = ""
    device_map: str = ""
    dtype: str = "auto"
    attention: str = "sdpa"
    revision: str = "main"

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "max_audio_tokens"):
            # A single token would leave the talker without a word to begin with.
            if getattr(self, name) < 2:
                raise UsageError(f"{name} must be at least 2, got {getattr(self, name)}")
        if self.batch < 1:
            raise UsageError(f"batch must be at least 1, got {self.batch}")
        if not 0 <= self.temperature <= 2:
            raise UsageError(f"temperature must be between 0 and 2, got {self.temperature:g}")
        if self.dtype not in _DTYPES:
            raise UsageError(f"dtype must be one of {', '.join(_DTYPES)}, got {self.dtype!r}")
        if self.device and self.device_map:
            raise UsageError("give device or device_map, not both")


def read_settings(options: Mapping[str, OptionValue], *, model: str) -> QwenSettings:
    """The settings of a command line, checked.

    Raises:
        UsageError: an unknown or wrong one.
    """
    refuse_unknown(model, options, _SETTINGS)
    defaults = QwenSettings()
    values: dict[str, Any] = {
        name: option(options, name, getattr(defaults, name)) for name in _SETTINGS if name not in ("system",)
    }
    system = options.get("system")
    return QwenSettings(**values, system=None if system is None else str(system))


def build(argument: str, options: Mapping[str, OptionValue], *, dialect: Dialect) -> QwenOmniModel:
    """Load a checkpoint by folder or by name on the hub.

    Raises:
        UsageError: a setting, the voice or the checkpoint cannot be used; the message says why.
        MissingWeights: transformers or the files are not on this machine.
    """
    settings = read_settings(options, model=dialect.name)
    model_class = _model_class(dialect)
    folder, name = find_checkpoint(argument or dialect.repository, revision=settings.revision, model=dialect.name)
    shown = "".join(f",{key}={_shown(value)}" for key, value in sorted(options.items()) if key not in _NOT_OF_IDENTITY)
    return QwenOmniModel(
        dialect, settings, parts=_load(model_class, folder, dialect, settings), identity=f"{dialect.name}:{name}{shown}"
    )


build_qwen25: Callable[..., QwenOmniModel] = partial(build, dialect=QWEN25)
build_qwen3: Callable[..., QwenOmniModel] = partial(build, dialect=QWEN3)


def layout_settings(layout: str) -> dict[str, OptionValue]:
    """The settings that make it answer in a layout: it writes first and speaks what it wrote, or only writes.

    Raises:
        UsageError: there is no such layout.
    """
    known = {"text_only": False, "text_and_audio": True}
    if layout not in known:
        raise UsageError(
            f"Qwen-Omni has no layout {layout!r}: its text and speech come from two parts, so it can do "
            f"{' and '.join(known)}"
        )
    return {"audio": known[layout]}


def _shown(value: OptionValue) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"sha256-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _model_class(dialect: Dialect) -> Any:
    try:
        import transformers

        return getattr(transformers, dialect.model_class)
    except (ImportError, AttributeError) as error:
        raise MissingWeights(
            f"{dialect.name} needs {dialect.model_class} of transformers 5 or later ({error}): "
            "pip install 'transformers>=5.23'"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    model: Any
    maker: PromptMaker


def _load(model_class: Any, folder: Any, dialect: Dialect, settings: QwenSettings) -> _Parts:
    import torch
    from transformers import AutoTokenizer, WhisperFeatureExtractor

    placing: dict[str, Any] = {"device_map": settings.device_map} if settings.device_map else {}
    dtype = settings.dtype if settings.dtype == "auto" else getattr(torch, settings.dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        features = WhisperFeatureExtractor.from_pretrained(folder)
        model = model_class.from_pretrained(folder, dtype=dtype, attn_implementation=settings.attention, **placing)
        if not placing:
            model = model.to(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())[:500]
        raise UsageError(
            f"--model {dialect.name}:{folder}: cannot be loaded: {type(error).__name__}: {reason}"
        ) from error
    system = dialect.system if settings.system is None else settings.system
    maker = PromptMaker(dialect, tokenizer=tokenizer, features=features, system=system)
    expected = model.config.thinker_config.audio_token_id
    if maker.audio_token_id != expected:
        raise UsageError(
            f"{folder}: the tokenizer's {dialect.audio_tokens[1]} is {maker.audio_token_id}, the model's {expected}: "
            "tokenizer and weights are of different checkpoints"
        )
    return _Parts(model=model.eval(), maker=maker)


class QwenOmniModel:
    """Either generation behind the harness's interface."""

    def __init__(self, dialect: Dialect, settings: QwenSettings, *, parts: _Parts, identity: str) -> None:
        """Check the voice.

        Raises:
            UsageError: the checkpoint has no such voice, or no talker.
        """
        self._dialect, self._settings = dialect, settings
        self._model, self._maker, self._identity = parts.model, parts.maker, identity
        self._voice = self._find_voice() if settings.audio else ""

    @property
    def identity(self) -> str:
        """Checkpoint with its hash, and the settings that change answers."""
        return self._identity

    @property
    def batch(self) -> int:
        """How many conversations are answered together."""
        return self._settings.batch

    @property
    def voices(self) -> list[str]:
        """Names of the checkpoint's speakers."""
        talker = self._model.config.talker_config
        return list(getattr(self._model, "speaker_map", None) or getattr(talker, "speaker_id", None) or {})

    def answer(self, query: Query) -> Response:
        """Answer in text and speech.

        Raises:
            ModelError: a question is too short or too long.
        """
        return self.answer_many([query])[0]

    def answer_many(self, queries: Sequence[Query]) -> list[Response]:
        """Answer several conversations at once.

        The text is that of single answers if it is greedy; the speech is drawn for the batch as a whole, by the seed
        of its first query: so `batch` stands in the identity.

        Raises:
            ModelError: a question is too short or too long.
        """
        start_s = time.perf_counter()
        prompts = [self._maker.prompt(query.messages) for query in queries]
        ids, waves = self._generate(prompts, seed=queries[0].seed)
        total_s = time.perf_counter() - start_s
        return [self._response(row, wave, total_s) for row, wave in zip(ids, waves, strict=True)]

    def _generate(self, prompts: Sequence[Prompt], *, seed: int) -> tuple[list[list[int]], list[Any]]:
        """Answer ids, and waves (None where there is none), one per prompt."""
        inputs, n_prompt = self._inputs(prompts)
        with steps_of(getattr(self._model, "talker", None)) as steps:
            try:
                sequences, waves = self._sample(inputs, seed=seed, audio=self._settings.audio)
            except (RuntimeError, ValueError):
                # The talker breaks on an answer without a word, and if the first that it says is its end. Both are
                # answers without sound, not a broken model.
                if len(prompts) > 1 or not self._settings.audio:
                    raise
                sequences, waves = self._sample(inputs, seed=seed, audio=False)
                if sequences[0, n_prompt].item() not in self._maker.end_ids and steps != ONE_STEP:
                    raise
        ids = [row[n_prompt:].tolist() for row in sequences]
        if waves is None:
            return ids, [None] * len(ids)
        return ids, list(waves) if len(ids) > 1 else [waves]

    def _sample(self, inputs: Mapping[str, Any], *, seed: int, audio: bool) -> tuple[Any, Any]:
        import torch

        device = self._model.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.inference_mode():
            torch.manual_seed(seed)
            made = self._model.generate(**inputs, **self._generation(audio=audio))
        return made if audio else (made, None)

    def _inputs(self, prompts: Sequence[Prompt]) -> tuple[dict[str, Any], int]:
        """Prompts of unequal length are padded on the left."""
        import torch

        n_prompt = max(len(prompt.ids) for prompt in prompts)
        pad = self._maker.end_ids[-1]
        rows = [[pad] * (n_prompt - len(prompt.ids)) + prompt.ids for prompt in prompts]
        masks = [[0] * (n_prompt - len(prompt.ids)) + [1] * len(prompt.ids) for prompt in prompts]
        device = self._model.device
        inputs = {"input_ids": torch.tensor(rows, device=device), "attention_mask": torch.tensor(masks, device=device)}
        features = [sound for prompt in prompts for sound in prompt.features]
        if features:
            lengths = torch.tensor([sound.shape[-1] for sound in features], device=device)
            # (n_sounds, n_mel, n_frames) and (n_sounds, n_frames)
            padded = torch.nn.utils.rnn.pad_sequence([sound.T for sound in features], batch_first=True).mT
            inputs["input_features"] = padded.to(device, self._model.dtype)
            inputs["feature_attention_mask"] = (torch.arange(padded.shape[-1], device=device) < lengths[:, None]).long()
        return inputs, n_prompt

    def _generation(self, *, audio: bool) -> dict[str, Any]:
        settings = self._settings
        keywords: dict[str, Any] = {
            **speech_switch(self._model.generate, audio=audio),
            "thinker_max_new_tokens": settings.max_new_tokens,
            "thinker_eos_token_id": self._maker.end_ids,
            "thinker_pad_token_id": self._maker.end_ids[-1],
            "thinker_do_sample": settings.temperature > 0,
        }
        if settings.temperature > 0:
            keywords["thinker_temperature"] = settings.temperature
        if not audio:
            # Qwen2.5 looks the speaker up even if nothing is spoken.
            return keywords | ({"speaker": self.voices[0]} if self.voices else {})
        keywords |= {"speaker": self._voice, "talker_max_new_tokens": settings.max_audio_tokens}
        if settings.audio_temperature > 0:
            keywords["talker_temperature"] = settings.audio_temperature
        elif settings.audio_temperature == 0:
            keywords["talker_do_sample"] = False
        talker = self._model.config.talker_config
        if hasattr(talker, "tts_codec_end_token_id"):
            keywords["talker_eos_token_id"] = [talker.tts_codec_pad_token_id, talker.tts_codec_end_token_id]
        return keywords

    def _response(self, ids: list[int], wave: Any, total_s: float) -> Response:
        ends = [place for place, token in enumerate(ids) if token in self._maker.end_ids]
        audio = None if wave is None else _audio(wave)
        limit_s = self._settings.max_audio_tokens / self._dialect.codes_per_s
        # A chunk of codes gives slightly less sound than its length.
        is_cut = not ends or (audio is not None and audio.duration_s > 0.99 * limit_s)
        return Response(
            audio=audio,
            text=self._maker.text_of(ids[: ends[0]] if ends else ids),
            timing=Timing(first_audio_s=None, total_s=total_s),
            finish=Finish.LENGTH if is_cut else Finish.STOP,
        )

    def _find_voice(self) -> str:
        voices = self.voices
        if not getattr(self._model, "has_talker", False) or not voices:
            raise UsageError(
                f"{self._identity} cannot speak: it has no talker or no voices; --set audio=false for text"
            )
        wanted = self._settings.voice or self._dialect.voice
        found = {voice.lower(): voice for voice in voices}
        if wanted.lower() in found:
            return found[wanted.lower()]
        if self._settings.voice:
            raise UsageError(f"{self._dialect.name} has no voice {wanted!r}; it has {', '.join(voices)}")
        return voices[0]


ONE_STEP = ["begun", "ended"]


@contextmanager
def steps_of(module: Any) -> Iterator[list[str]]:
    """What a part of the model did: "begun" and "ended" for each step; None stands for a part that there is not."""
    steps: list[str] = []
    hooks = []
    if module is not None:
        hooks.append(module.register_forward_pre_hook(lambda *_: steps.append("begun")))
        hooks.append(module.register_forward_hook(lambda *_: steps.append("ended")))
    try:
        yield steps
    finally:
        for hook in hooks:
            hook.remove()


def speech_switch(generate: Callable[..., Any], *, audio: bool) -> dict[str, Any]:
    """The keyword that asks for speech or for text alone, by what `generate` takes.

    >>> def of_version_4(input_ids, return_audio=None, **keywords): ...
    >>> speech_switch(of_version_4, audio=True)
    {'return_audio': True}
    >>> def of_version_5(input_ids, **keywords): ...
    >>> speech_switch(of_version_5, audio=False)
    {'generation_mode': 'text'}
    """
    known = inspect.signature(generate).parameters
    if "return_audio" in known and "generation_mode" not in known:
        return {"return_audio": audio}
    return {"generation_mode": "audio" if audio else "text"}


def _audio(wave: Any) -> Audio | None:
    samples = wave.detach().float().cpu().numpy().reshape(-1).astype(np.float32)
    return from_samples(samples, sample_rate_hz=SAMPLE_RATE_HZ, name="answer") if samples.size else None
