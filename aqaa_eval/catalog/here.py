"""What of the catalogue can run on this machine, and what brings the rest."""

from __future__ import annotations

import importlib.util

from aqaa_eval.catalog.names import DEFAULT_PREDICTORS, PREDICTORS, Entry
from aqaa_eval.core.weights import is_present

_PIP = {
    "kimia_infer": "git+https://github.com/MoonshotAI/Kimi-Audio (in an environment of its own, see --python)",
    "whisper": "--no-deps openai-whisper",
    "hibari": "'aqaa-eval[offline]'",
    "distillmos": "--no-deps distillmos xls-r-sqa",
    "faster_whisper": "'aqaa-eval[faster-whisper]'",
}


def missing_of(entry: Entry) -> list[str]:
    """What an entry needs and this machine lacks, each with the command that brings it."""
    lacking = [f"aqaa-eval fetch {name}" for name in entry.weights if not is_present(name)]
    for package in entry.packages:
        if importlib.util.find_spec(package) is None:
            lacking.append(f"pip install {_PIP.get(package, package)}")
    if entry.hub and not _is_on_this_machine(entry.hub):
        lacking.append(f"hf download {entry.hub}, or a path")
    return lacking


def _is_on_this_machine(repository: str) -> bool:
    """Whether the hub's cache holds a copy."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, "config.json"), str)


def default_asr() -> str:
    """The offline transcriber if its weights are here, else "none"."""
    return "whisper:base" if is_present("whisper:base") else "none"


def default_speech_mos() -> tuple[str, ...]:
    """The predictors and measurements of the default that can run on this machine."""
    return tuple(name for name in DEFAULT_PREDICTORS if not missing_of(PREDICTORS[name]))
