"""One stage of post-training on data of your own: read, code, write rows, train, save."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from aqaa_eval.reference_model.checkpoint import LoadOptions, load_model, save_model, state_dict_of
from aqaa_eval.reference_model.layout import Layout, parse_layout
from aqaa_eval.reference_model.model import StepAudioAQAA
from aqaa_eval.reference_model.tokenizer.errors import AudioInputError, WeightsError
from aqaa_eval.reference_model.training.data import (
    Skipped,
    SpeakAnswer,
    SpokenExample,
    SpokenPreference,
    SpokenSegment,
    TrainingDataError,
    code_examples,
    open_dataset,
    read_examples,
    read_preferences,
    rows_of,
    speak_answers,
)
from aqaa_eval.reference_model.training.loop import Stage, TrainingPlan, Watcher, train, whole_weights
from aqaa_eval.reference_model.training.rows import CodedExample, PreferenceRow, TrainingRow, write_row
from aqaa_eval.reference_model.training.stages import BatchShape, dpo_stage, masked_for_dpo, sft_stage

SKIPPED_NAME = "skipped.json"
_CODED_AT_ONCE = 32
_WHOLE = LoadOptions(dtype=torch.float32)
"""What is learnt is often less than half precision can tell, however the weights were stored."""
ItemT = TypeVar("ItemT")
_log = logging.getLogger(__name__)


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
        speak: makes AQTAA of AQTA: speaks answers that have no sound; None leaves them text.
        recompute: keep no activations of the decoder's layers, and compute them twice (gradient checkpointing).
    """

    model: Path
    source: str
    out: Path
    plan: TrainingPlan
    layout: str = "interleave_10_15"
    shape: BatchShape = field(default_factory=lambda: BatchShape(length=2048, batch_size=4))
    speak: SpeakAnswer | None = None
    recompute: bool = False


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
        the folder of the trained model, in fp32.

    Raises:
        TrainingDataError: too many rows cannot be used, or none is left.
        ValueError: the model, the layout or the plan cannot be used, or `out` holds a run of other data, another model
            or another plan.
    """
    model = _begun(job)
    skipped = Skipped()
    examples = read_examples(rows_of(open_dataset(job.source, skipped)), _root(job.source), skipped)
    if job.speak:
        examples = speak_answers(examples, job.speak, skipped)
    rows = list(_rows(_coded(examples, model, skipped), job, model, skipped))
    _tell_skipped(job, skipped, n_left=len(rows))
    stage = sft_stage("sft", model.backbone, rows, job.shape, seed=job.plan.seed)
    return _trained(replace(stage, given=_given(job, model, rows)), job, model, watch)


def prefer(job: OwnData, how: Preference, *, watch: Watcher | None = None) -> Path:
    """Preference optimisation from the model as it is; see `fine_tune`.

    Raises:
        ValueError: also for masked DPO in a layout without text, which has nothing left to learn from.
    """
    if how.mask_audio and parse_layout(job.layout).n_text == 0:
        raise ValueError(
            f"masked DPO learns from words, and answers in the layout {job.layout} have none: use plain DPO"
        )
    model = _begun(job)
    skipped = Skipped()
    pairs = read_preferences(rows_of(open_dataset(job.source, skipped)), _root(job.source), skipped)
    rows = list(_preference_rows(pairs, job, model, skipped, mask_audio=how.mask_audio))
    _tell_skipped(job, skipped, n_left=len(rows))
    masked = masked_for_dpo(rows, model.vocabulary, mask_audio=how.mask_audio)
    answers = [row for pair in masked for row in (pair.chosen, pair.rejected)]
    given = {**_given(job, model, answers), "beta": how.beta, "mask_audio": how.mask_audio}
    stage = dpo_stage("dpo", model.backbone, masked, beta=how.beta, batch_size=job.shape.batch_size, seed=job.plan.seed)
    return _trained(replace(stage, given=given), job, model, watch)


def _begun(job: OwnData) -> StepAudioAQAA:
    """The model to start from.

    Raises:
        WeightsError: it cannot be read, or one of its numbers is none.
    """
    model = load_model(job.model, options=_WHOLE)
    for name, tensor in state_dict_of(model).items():
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{name} holds NaN or infinite numbers in {job.model}: nothing can be learnt from there")
    return model


def _given(job: OwnData, model: StepAudioAQAA, rows: Sequence[TrainingRow]) -> Mapping[str, str | float]:
    """What a run must have to go on where another was stopped; its rows are the data as the model reads them."""
    learnt = hashlib.sha256()
    for row in rows:
        learnt.update(np.asarray(row.ids, np.int32).tobytes() + np.asarray(row.loss, bool).tobytes())
    return {
        "data": learnt.hexdigest(),
        "model": model.fingerprint(),
        "layout": parse_layout(job.layout).name,
        "length": job.shape.length,
        "batch": job.shape.batch_size,
    }


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
                try:
                    yield from code_examples([example], model.tokenizer)
                except AudioInputError as error:
                    skipped.add(example.key, error)


def _batches(items: Iterable[ItemT], size: int) -> Iterator[list[ItemT]]:
    waiting = iter(items)
    while part := list(islice(waiting, size)):
        yield part


def _rows(
    examples: Iterable[CodedExample], job: OwnData, model: StepAudioAQAA, skipped: Skipped
) -> Iterator[TrainingRow]:
    layout = parse_layout(job.layout)  # outside of what is skipped: a wrong one is no fault of a row
    for example in examples:
        try:
            yield _row(example, layout, job, model)
        except ValueError as error:
            skipped.add(example.key, error)


def _row(example: CodedExample, layout: Layout, job: OwnData, model: StepAudioAQAA) -> TrainingRow:
    row = write_row(example, layout, vocabulary=model.vocabulary, convention=model.config.prompt_convention)
    if len(row) > job.shape.length:
        raise ValueError(f"{len(row)} tokens, a block has {job.shape.length}")
    return row


def _preference_rows(
    pairs: Iterable[SpokenPreference], job: OwnData, model: StepAudioAQAA, skipped: Skipped, *, mask_audio: bool
) -> Iterator[PreferenceRow]:
    layout = parse_layout(job.layout)
    for pair in pairs:
        sides = [SpokenExample(key=pair.key, turns=pair.turns, answer=side) for side in (pair.chosen, pair.rejected)]
        try:
            if mask_audio and _words(pair.chosen) == _words(pair.rejected):
                raise ValueError("both answers have the same words, and masked DPO learns from words: use plain DPO")
            chosen, rejected = (_row(example, layout, job, model) for example in code_examples(sides, model.tokenizer))
            yield PreferenceRow(chosen=chosen, rejected=rejected)
        except ValueError as error:
            skipped.add(pair.key, error)


def _words(answer: Sequence[SpokenSegment]) -> str:
    return " ".join(" ".join(segment.text for segment in answer).split())


def _tell_skipped(job: OwnData, skipped: Skipped, *, n_left: int) -> None:
    job.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"rows": skipped.n_seen, "skipped": skipped.reasons}, indent=1, ensure_ascii=False)
    (job.out / SKIPPED_NAME).write_text(text + "\n", "utf-8")
    skipped.check()
    if skipped.reasons:
        _log.warning("%d of %d rows are skipped: %s", len(skipped.reasons), skipped.n_seen, job.out / SKIPPED_NAME)
    if not n_left:
        raise TrainingDataError(f"{job.source}: no row is left to train on; see {job.out / SKIPPED_NAME}")


def _trained(stage: Stage[Any], job: OwnData, model: StepAudioAQAA, watch: Watcher | None) -> Path:
    model.backbone.model.gradient_checkpointing = job.recompute
    is_main = train(stage, job.plan, job.out / "training", watch=watch)
    weights = whole_weights(stage.model)  # all processes together, if each has a part
    if is_main:
        whole = load_model(job.model, options=_WHOLE)  # that of the stage may have its weights in parts
        prefix = "decoder."
        whole.backbone.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in weights.items()})
        save_model(whole, job.out / "model")
    return job.out / "model"
