"""The only tables of names: what can be said after `--model`, `--suite`, `--asr`, `--judge`, and what stands behind it.

Entries are lazy "module:object" strings, so naming a thing loads it and nothing else. Third parties add names through
the entry-point groups `aqaa_eval.models`, `.suites`, `.judges`, `.transcribers`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aqaa_eval.core.errors import UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One name.

    Attributes:
        target: "module:object" that makes it.
        about: one line for `aqaa-eval list`.
        usage: how it is written on the command line.
        needs: weights by catalogue name, and importable packages, that must be on the machine.
        hub: repository whose files are needed unless a path is given; downloaded at the first use.
        limit: of a model, the setting that ends an answer which takes too long.
        is_stored: of a model, whether it gives answers that were stored for other questions.
        layouts: of a model that can switch output layouts, those that an ablation compares unless told otherwise.
        layout_settings: of such a model, "module:object" that gives the settings of a layout.
    """

    target: str
    about: str
    usage: str
    weights: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    hub: str = ""
    limit: str = ""
    is_stored: bool = False
    layouts: tuple[str, ...] = ()
    layout_settings: str = ""


BUNDLED_WEIGHTS: Mapping[str, str] = {"tiny": "1f7624fa81ed513bbcdf497071d11409662d64c7501e9da111f4e736e83d4404"}
"""Weights of the reference model that come with the package: SHA-256 of their `model.safetensors`."""

MODELS: Mapping[str, Entry] = {
    "reference": Entry(
        target="aqaa_eval.adapters.reference:build",
        about="Step-Audio-AQAA, the bundled implementation",
        usage="reference, reference:tiny-random, reference:/path/to/checkpoint",
        layouts=("audio_only", "text_to_audio", "interleave_10_15"),
        layout_settings="aqaa_eval.adapters.reference:layout_settings",
    ),
    "cascade": Entry(
        target="aqaa_eval.adapters.cascade:build",
        about="an ASR, a language model and a TTS, one after the other; Whisper base, SmolLM2 and hibari, offline",
        usage="cascade, cascade:faster-whisper:base+openai:MODEL+kokoro",
        weights=("whisper:base", "smollm2:135m-instruct"),
        packages=("whisper", "hibari"),
    ),
    "kimi-audio": Entry(
        target="aqaa_eval.adapters.kimi_audio:build",
        about="Kimi-Audio 7B through its own package; weights from the hub, one GPU of 40 GB",
        usage="kimi-audio --python /path/to/its/bin/python, kimi-audio:/path/to/checkpoint",
        packages=("kimia_infer",),
        hub="moonshotai/Kimi-Audio-7B-Instruct",
    ),
    "qwen2.5-omni": Entry(
        target="aqaa_eval.adapters.qwen_omni:build_qwen25",
        about="Qwen2.5-Omni 7B through transformers; 22 GB of weights from the hub, one GPU of 40 GB",
        usage="qwen2.5-omni, qwen2.5-omni:/path/to/checkpoint",
        packages=("transformers",),
        hub="Qwen/Qwen2.5-Omni-7B",
        layouts=("text_only", "text_and_audio"),
        layout_settings="aqaa_eval.adapters.qwen_omni:layout_settings",
    ),
    "qwen3-omni": Entry(
        target="aqaa_eval.adapters.qwen_omni:build_qwen3",
        about="Qwen3-Omni 30B-A3B through transformers; 70 GB of weights from the hub, two GPUs of 80 GB",
        usage="qwen3-omni, qwen3-omni:/path/to/checkpoint",
        packages=("transformers",),
        hub="Qwen/Qwen3-Omni-30B-A3B-Instruct",
        layouts=("text_only", "text_and_audio"),
        layout_settings="aqaa_eval.adapters.qwen_omni:layout_settings",
    ),
    "command": Entry(
        target="aqaa_eval.adapters.command:build",
        about="any program: WAV in, WAV out, started per turn or once",
        usage="command:./answer.sh",
        limit="timeout_s",
    ),
    "python": Entry(
        target="aqaa_eval.adapters.python_class:build",
        about="a class of your own",
        usage="python:my_models:Model, python:/path/file.py:Model",
    ),
    "replay": Entry(
        target="aqaa_eval.catalog:build_replay",
        about="answers recorded elsewhere",
        usage="replay:/path/to/run-or-folder",
        is_stored=True,
    ),
    "openai": Entry(
        target="aqaa_eval.adapters.openai_chat:build",
        about="chat completions with sound: OpenAI (key in OPENAI_API_KEY), vllm-omni, sglang-omni, aqaa-eval serve",
        usage="openai:gpt-audio, openai:MODEL --base-url http://localhost:8000/v1",
        packages=("openai",),
        limit="timeout_s",
    ),
    "openai-realtime": Entry(
        target="aqaa_eval.adapters.openai_realtime:build",
        about="the Realtime API over WebSocket: OpenAI (key in OPENAI_API_KEY), vllm-omni",
        usage="openai-realtime:gpt-realtime, openai-realtime:MODEL --base-url http://localhost:8000/v1",
        packages=("websockets",),
        limit="timeout_s",
    ),
    "fake": Entry(
        target="aqaa_eval.adapters.fake:build",
        about="oracle, random, echo, silent, failing, slow, scripted: for tests, for scale, for what a score is worth",
        usage="fake:echo",
    ),
}


TRANSCRIBERS: Mapping[str, Entry] = {
    "whisper": Entry(
        target="aqaa_eval.judges.transcribers.whisper:build",
        about="openai-whisper behind a voice-activity gate",
        usage="whisper:base, whisper:/path/to/large-v3.pt",
        weights=("whisper:base",),
        packages=("whisper",),
    ),
    "faster-whisper": Entry(
        target="aqaa_eval.judges.transcribers.faster_whisper:build",
        about="CTranslate2's Whisper in 8 bit, batched, behind the same gate",
        usage="faster-whisper:tiny.en, faster-whisper:base, faster-whisper:/path/to/folder",
        weights=("faster-whisper:tiny.en",),
        packages=("faster_whisper",),
    ),
    "hf-whisper": Entry(
        target="aqaa_eval.judges.transcribers.hf_whisper:build",
        about="Whisper by transformers, batched, behind the same gate",
        usage="hf-whisper:base, hf-whisper:openai/whisper-large-v3, hf-whisper:/path/to/folder",
        weights=("hf-whisper:base",),
        packages=("transformers",),
    ),
    "http": Entry(
        target="aqaa_eval.judges.transcribers.http:build",
        about="any server with /v1/audio/transcriptions, behind the same gate",
        usage="http:whisper-1 --asr-url http://localhost:8000/v1",
        packages=("openai",),
    ),
    "none": Entry(target="", about="answers stay untranscribed, and unscored on the audio channel", usage="none"),
}


JUDGES: Mapping[str, Entry] = {
    "checks": Entry(
        target="aqaa_eval.judges.checks:ChecksJudge",
        about="the items' own verifiable checks, MOS = 1 + 4 x share passed",
        usage="checks",
    ),
    "openai": Entry(
        target="aqaa_eval.judges.llm_build:build",
        about="a language model behind any OpenAI-compatible server; content, delivery, Factuality, Relevance, Chat",
        usage="openai:MODEL --judge-url http://localhost:8000/v1 (key in OPENAI_API_KEY), several by comma: a panel",
        packages=("openai",),
    ),
    "openai-audio": Entry(
        target="aqaa_eval.judges.llm_build:build",
        about="the same with the answers' sound sent along, to a model that takes `input_audio`",
        usage="openai-audio:gpt-audio --judge-url http://localhost:8000/v1 (key in OPENAI_API_KEY)",
        packages=("openai",),
    ),
    "hf": Entry(
        target="aqaa_eval.judges.llm_build:build",
        about="a language model on this machine, the same scores; a small one judges badly",
        usage="hf:/path/to/folder, hf:model.gguf, hf:smollm2:135m-instruct",
        packages=("transformers",),
    ),
}


LANGUAGE_MODELS = ("openai", "openai-audio", "hf")


PREDICTORS: Mapping[str, Entry] = {
    "distillmos": Entry(
        target="aqaa_eval.judges.quality:DistillMos",
        about="naturalness of the speech, 1 to 5",
        usage="--speech-mos distillmos",
        packages=("distillmos",),
    ),
    "dnsmos": Entry(
        target="aqaa_eval.judges.quality:DnsMos",
        about="noise in the sound, 1 to 5",
        usage="--speech-mos dnsmos",
        weights=("dnsmos",),
    ),
    "plcmos": Entry(
        target="aqaa_eval.judges.plcmos:PlcMos",
        about="freedom from dropouts, 1 to 5",
        usage="--speech-mos plcmos",
        weights=("plcmos",),
    ),
    "nisqa": Entry(
        target="aqaa_eval.judges.nisqa:Nisqa",
        about="quality of transmitted speech, 1 to 5; its weights are on GitHub only, and given by path",
        usage="--speech-mos nisqa:/path/to/nisqa.tar",
    ),
    "acoustic": Entry(
        target="aqaa_eval.judges.acoustic:AcousticJudge",
        about="rate, pitch, level, pauses, voice; the speaker's sameness if `aqaa-eval fetch resemblyzer` was done",
        usage="--speech-mos acoustic",
        packages=("swift_f0",),
    ),
    "versa": Entry(
        target="aqaa_eval.judges.versa:VersaJudge",
        about="scores that VERSA gave the recordings elsewhere",
        usage="--speech-mos versa:/path/to/result.jsonl",
    ),
}


DEFAULT_PREDICTORS = ("distillmos", "dnsmos", "acoustic")


SUITE_SETS: Mapping[str, str] = {"mini": "the nine bundled suites"}


SUITE_FORMATS: Mapping[str, Entry] = {
    "stepeval-audio-360": Entry(
        target="aqaa_eval.tasks.stepeval_audio_360:load",
        about="StepEval-Audio-360, 137 conversations in the nine suites",
        usage="stepeval-audio-360, stepeval-audio-360:/folder",
        packages=("datasets",),
    ),
    "voicebench": Entry(
        target="aqaa_eval.tasks.voicebench:load",
        about="VoiceBench, by subset",
        usage="voicebench:alpacaeval, voicebench:sd-qa:usa",
        packages=("datasets",),
    ),
    "hf": Entry(
        target="aqaa_eval.tasks.outside.hub:load",
        about="any data set with recordings, on the Hugging Face hub or on disk",
        usage="hf:ORG/NAME, hf:ORG/NAME:CONFIG:SPLIT, hf:/folder",
        packages=("datasets",),
    ),
    "file": Entry(
        target="aqaa_eval.tasks.outside.files:load",
        about="a table of recordings, or of written questions with answers",
        usage="questions.jsonl, .csv, .tsv, .parquet",
    ),
}


def load_object(target: str) -> Any:
    """The object behind "module:object"."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def find(kind: str, group: str, table: Mapping[str, Entry], head: str) -> Any:
    """The object behind a name of a table, or of an entry point of others.

    Raises:
        UnknownName: neither has it; the message suggests the nearest.
    """
    return load_object(target_of(kind, group, table, head))


def target_of(kind: str, group: str, table: Mapping[str, Entry], head: str) -> str:
    """The "module:object" behind a name; otherwise as `find`."""
    if head in table:
        return table[head].target
    from importlib.metadata import entry_points  # scanning every package takes a while: only for names not ours

    outside = {point.name: point.value for point in entry_points(group=group)}
    if head in outside:
        return outside[head]
    raise UnknownName(kind, head, [*table, *outside])
