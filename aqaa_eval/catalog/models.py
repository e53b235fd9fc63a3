"""From a spec to the model under test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqaa_eval.catalog.names import MODELS, load_object, target_of
from aqaa_eval.catalog.suites import suites_of

if TYPE_CHECKING:
    from aqaa_eval.core.audio import Audio
    from aqaa_eval.core.failure import Failure
    from aqaa_eval.core.protocols import SpeechModel
    from aqaa_eval.core.runspec import OptionValue, RunSpec


def make_model(spec: RunSpec, *, log: Path | None = None) -> SpeechModel:
    """The model under test of a spec.

    Args:
        spec: names the model, its settings, and the interpreter that it runs in if not this one.
        log: file for what a model in another interpreter prints.

    Raises:
        UnknownName: no such model; the message suggests one.
        MissingWeights, UsageError: it cannot be had on this machine; the message says what to do.
    """
    head, _, argument = spec.model.partition(":")
    target = target_of("model", "aqaa_eval.models", MODELS, head)
    if spec.python is not None:
        from aqaa_eval.adapters.isolated import isolate

        return isolate(target, argument, spec.model_options, python=spec.python, log=log)
    if spec.model in ("fake:oracle", "fake:random"):
        from aqaa_eval.catalog.performing import build_performing

        return build_performing(argument, spec.model_options, suites=suites_of(spec), seed=spec.seed)
    model: SpeechModel = load_object(target)(argument, spec.model_options)
    return model


def build_replay(argument: str, options: Mapping[str, OptionValue]) -> SpeechModel:
    """Stored answers: only here the adapter and the engine that reads runs can meet."""
    from aqaa_eval.adapters.replay import build

    return build(argument, options, lookup=_run_lookup(Path(argument)))


def _run_lookup(path: Path) -> Any:
    """Answers of a stored run by turn key; None if the path is a plain folder of recordings."""
    if not (path / "run.sqlite").is_file():
        return None
    from aqaa_eval.engine.replay import run_answers

    return run_answers(path)


def find_guard() -> Any:
    """The function that finds an answer without sound."""

    def guard(audio: Audio) -> Failure | None:
        from aqaa_eval.judges.guards import answer_failure

        failure: Failure | None = answer_failure(audio)
        return failure if failure is not None and failure.is_no_answer else None

    return guard
