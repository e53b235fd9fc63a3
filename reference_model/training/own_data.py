"""One stage of post-training on data of your own: read, code, write rows, train, save."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from aqaa_eval.reference_model.checkpoint import load_model, save_model
from aqaa_eval.reference_model.layout import Layout, parse_layout
from aqaa_eval.reference_model.model import StepAudioAQAA
from aqaa_eval.reference_model.tokenizer.errors import AudioInputError
from aqaa_eval.reference_model.training.data import (
    Skipped,
    SpokenExample,
    SpokenPreference,
    TrainingDataError,
    code_examples,
    open_dataset,
    read_examples,
    read_preferences,
)
from aqaa_eval.reference_model.training.loop import Stage, TrainingPlan, Watcher, train
from aqaa_eval.reference_model.training.rows import CodedExample, PreferenceRow, TrainingRow, write_row
from aqaa_eval.reference_model.training.stages import BatchShape, dpo_stage, masked_for_dpo, sft_stage

SKIPPED_NAME = "skipped.json"
_CODED_AT_ONCE = 32
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnData:
    """What is trained on what.

    Attributes:
        model: folder of the model to start from.
        source: JSONL or parquet file, folder of a saved dataset, or a dataset of the hub.
        out: folder for checkpoints, and for the model in `out/model`.
        plan: how.
        layout: of the answers.
        shape: of the batches.
    """

    model: Path
    source: str
    out: Path
    plan: TrainingPlan
    layout: str = "interleave_10_15"
    shape: BatchShape = field(default_factory=lambda: BatchShape(length=2048, batch_size=4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """How preferences are learnt.

    Attributes:
        beta: price of leaving the reference policy.
        mask_audio: True for the paper's masked DPO.
    """

    beta: float = 0.1
    mask_audio: bool = True


def fine_tune(job: OwnData, *, watch: Watcher | None = None) -> Path:
    """Supervised fine-tuning on AQTA and AQTAA rows; the same call again goes on.

    Returns:
        the folder of the trained model.

    Raises:
        TrainingDataError: too many rows cannot be used, or none is left.
        ValueError: the model, the layout or the plan cannot be used.
    """
    model = load_model(job.model)
    skipped = Skipped()
    examples = read_examples(open_dataset(job.source), _root(job.source), skipped)
    coded = _coded(examples, model, skipped)
    rows = [row for example in coded for row in _rows(example, job, model, skipped)]
    _tell_skipped(job, skipped, n_left=len(rows))
    stage = sft_stage("sft", model.backbone, rows, job.shape, seed=job.plan.seed)
    return _trained(stage, job, model, watch)


def prefer(job: OwnData, how: Preference, *, watch: Watcher | None = None) -> Path:
    """Preference optimisation from the model as it is; see `fine_tune`."""
    model = load_model(job.model)
    skipped = Skipped()
    pairs = read_preferences(open_dataset(job.source), _root(job.source), skipped)
    rows = [row for pair in pairs for row in _preference_rows(pair, job, model, skipped)]
    _tell_skipped(job, skipped, n_left=len(rows))
    masked = masked_for_dpo(rows, model.vocabulary, mask_audio=how.mask_audio)
    stage = dpo_stage("dpo", model.backbone, masked, beta=how.beta, batch_size=job.shape.batch_size, seed=job.plan.seed)
    return _trained(stage, job, model, watch)


def _root(source: str) -> Path:
    """Where paths of recordings begin."""
    path = Path(source)
    return path if path.is_dir() else path.parent


def _coded(examples: Iterable[SpokenExample], model: StepAudioAQAA, skipped: Skipped) -> Iterator[CodedExample]:
    for part in _batches(examples, _CODED_AT_ONCE):
        try:
            yield from code_examples(part, model.tokenizer)
        except AudioInputError:
            # One recording that the tokenizer refuses must not cost its neighbours.
            for example in part:
                yield from _coded_alone([example], model, skipped)


def _coded_alone(examples: list[SpokenExample], model: StepAudioAQAA, skipped: Skipped) -> list[CodedExample]:
    """Examples that stand or fall together; none of them if a recording cannot be coded."""
    try:
        return code_examples(examples, model.tokenizer)
    except AudioInputError as error:
        skipped.reasons[examples[0].key] = str(error)
        return []


def _batches(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    waiting = iter(items)
    while part := list(islice(waiting, size)):
        yield part


def _rows(example: CodedExample, job: OwnData, model: StepAudioAQAA, skipped: Skipped) -> list[TrainingRow]:
    try:
        row = _row(example, parse_layout(job.layout), model)
    except ValueError as error:
        skipped.reasons[example.key] = str(error)
        return []
    if len(row) > job.shape.length:
        skipped.reasons[example.key] = f"{len(row)} tokens, a block has {job.shape.length}"
        return []
    return [row]


def _row(example: CodedExample, layout: Layout, model: StepAudioAQAA) -> TrainingRow:
    return write_row(example, layout, vocabulary=model.vocabulary, convention=model.config.prompt_convention)


def _preference_rows(
    pair: SpokenPreference, job: OwnData, model: StepAudioAQAA, skipped: Skipped
) -> list[PreferenceRow]:
    sides = [SpokenExample(key=pair.key, turns=pair.turns, answer=answer) for answer in (pair.chosen, pair.rejected)]
    coded = _coded_alone(sides, model, skipped)
    found = [row for example in coded for row in _rows(example, job, model, skipped)]
    return [PreferenceRow(chosen=found[0], rejected=found[1])] if len(found) == len(sides) else []


def _tell_skipped(job: OwnData, skipped: Skipped, *, n_left: int) -> None:
    job.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"rows": skipped.n_seen, "skipped": skipped.reasons}, indent=1, ensure_ascii=False)
    (job.out / SKIPPED_NAME).write_text(text + "\n", "utf-8")
    skipped.check()
    if not n_left:
        raise TrainingDataError(f"{job.source}: no row is left to train on; see {job.out / SKIPPED_NAME}")


def _trained(stage: Stage[Any], job: OwnData, model: StepAudioAQAA, watch: Watcher | None) -> Path:
    is_main = train(stage, job.plan, job.out / "training", watch=watch)
    if is_main:
        save_model(model, job.out / "model")
    return job.out / "model"
