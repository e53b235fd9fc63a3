"""From the spoken domain to models, step by step; a step that is done is read from its folder and not made again.

speech -> tokenizer -> codes -+-> vocoder
                              +-> pretrain -> sft1 -+-> sft2
                                                    +-> pairs -> dpo, dpo_plain
all of it -> models/{before, sft1, sft2, dpo, dpo_plain, merged}; before is the decoder before stage 1
"""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from aqaa_eval.reference_model.model import StepAudioAQAA, random_backbone
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.tokenizer.preprocess import preprocess
from aqaa_eval.reference_model.tokenizer.semantic import SemanticTokenizer
from aqaa_eval.reference_model.training.code_embeddings import place_codes_by_sound
from aqaa_eval.reference_model.training.coding import Codes, code_places
from aqaa_eval.reference_model.training.decoders import DecoderStages, lessons_of
from aqaa_eval.reference_model.training.lessons import Lessons
from aqaa_eval.reference_model.training.loop import has_checkpoint
from aqaa_eval.reference_model.training.merging import merge_checkpoints
from aqaa_eval.reference_model.training.pitch_training import PitchBatch, PitchTask, pitch_batches, pitch_rows
from aqaa_eval.reference_model.training.preferences import Rank, answered_twice
from aqaa_eval.reference_model.training.rows import PreferenceRow, TrainingRow
from aqaa_eval.reference_model.training.side_by_side import beside, tell
from aqaa_eval.reference_model.training.speech_rows import PhonemeTable, SpeechBatch, SpeechRow, speech_batches
from aqaa_eval.reference_model.training.speech_store import (
    ANSWER,
    READING,
    StoredTake,
    answer_key,
)
from aqaa_eval.reference_model.training.stages import epoch_seed, masked_for_dpo
from aqaa_eval.reference_model.training.start import start_backbone, start_flow, take_over
from aqaa_eval.reference_model.training.tokenizer_training import (
    LinguisticTask,
    SemanticTask,
    linguistic_codebook,
    measure_cmvn,
)
from aqaa_eval.reference_model.training.vocoder_training import (
    FlowTask,
    HiftTask,
    VoiceRow,
    flow_batches,
    hift_batches,
    mean_mel,
)
from aqaa_eval.reference_model.training.workshop import Workshop, save_whole
from aqaa_eval.reference_model.vocabulary import Vocabulary
from aqaa_eval.reference_model.vocoder.hift import MelToWave
from aqaa_eval.reference_model.vocoder.vocoder import Vocoder

MERGED = "merged"
_log = logging.getLogger(__name__)
_CMVN_TAKES = 400
_MEAN_TAKES = 400
_CODEBOOK_TAKES = 1000


def make_tokenizer(shop: Workshop, *, n_jobs: int = 1) -> DualTokenizer:
    """Train both encoders and their codebooks, or read them if they are made; or take over the start's.

    With two jobs the encoders are trained side by side. Their numbers are rounded to half precision before anything is
    coded: a tokenizer rounded later would give a few other codes than those that all other parts are taught with.
    """
    if shop.start and shop.keeps_tokenizer:
        return shop.start.tokenizer
    made = shop.folder / "tokenizer.safetensors"
    if made.is_file():
        tokenizer = DualTokenizer.blank(shop.recipe.config)
        tokenizer.load_state_dict(load_file(made), assign=True)
        return tokenizer.eval()
    with beside(n_jobs, _semantic, replace(shop, watch=tell), hear=shop.watch):
        cmvn, linguistic, codebook = _linguistic(shop)
    tokenizer = DualTokenizer(linguistic=linguistic, semantic=_semantic(shop), cmvn=cmvn, codebook=codebook)
    tokenizer.half().float()
    save_whole({name: tensor.contiguous() for name, tensor in tokenizer.state_dict().items()}, made)
    return tokenizer.eval()


def _speech(shop: Workshop) -> tuple[list[SpeechRow], PhonemeTable]:
    rows = [_speech_row(take) for take in shop.takes()]
    return rows, PhonemeTable.of([row.phonemes for row in rows])


def _speech_row(take: StoredTake) -> SpeechRow:
    return SpeechRow(
        key=take.key,
        samples=preprocess(take.samples, take.sample_rate_hz, name=take.key).numpy(),
        phonemes=take.phonemes.replace(" ", ""),
    )


def _linguistic(shop: Workshop) -> tuple[Tensor, Any, Tensor]:
    recipe, (rows, table) = shop.recipe, _speech(shop)
    some = rows[:: max(1, len(rows) // _CMVN_TAKES)]
    torch.manual_seed(recipe.seed)
    start = shop.start and shop.start.tokenizer
    cmvn = start.cmvn if start else measure_cmvn([torch.from_numpy(row.samples) for row in some])
    task = LinguisticTask(recipe.config.linguistic, cmvn, table.size)
    if start:
        take_over(task.encoder, start.linguistic)
    shop.run("linguistic", task, _speech_epochs(shop, rows, table))
    chosen = rows[:: max(1, len(rows) // _CODEBOOK_TAKES)]
    batches = speech_batches(chosen, table, seconds=recipe.speech_batch_s, seed=recipe.seed)
    n_codes = recipe.config.linguistic.n_codes
    return cmvn, task.encoder, linguistic_codebook(task, batches, n_codes, seed=recipe.seed)


def _semantic(shop: Workshop) -> Any:
    recipe, (rows, table) = shop.recipe, _speech(shop)
    torch.manual_seed(recipe.seed + 1)
    task = SemanticTask(recipe.config.semantic, table.size)
    if shop.start and isinstance(shop.start.tokenizer.semantic, SemanticTokenizer):
        take_over(task.tokenizer, shop.start.tokenizer.semantic)
    epochs = _speech_epochs(shop, rows, table)
    shop.run("semantic_free", task, epochs)
    if has_checkpoint(shop.stage_folder("semantic")):
        task.is_coding.fill_(True)  # the codes are in the checkpoint
    else:
        chosen = rows[:: max(1, len(rows) // _CODEBOOK_TAKES)]
        batches = speech_batches(chosen, table, seconds=recipe.speech_batch_s, seed=recipe.seed)
        task.start_coding(batches, seed=recipe.seed)
    shop.run("semantic", task, epochs)
    return task.tokenizer


def _speech_epochs(
    shop: Workshop, rows: Sequence[SpeechRow], table: PhonemeTable
) -> Callable[[int], Iterator[SpeechBatch]]:
    recipe = shop.recipe
    return lambda number: speech_batches(
        rows, table, seconds=recipe.speech_batch_s, seed=epoch_seed(recipe.seed, number), vary=True
    )


def make_vocoder(shop: Workshop, codes: Codes) -> Vocoder:
    """Train the flow and HiFT on the voice of the answers, then HiFT's pitch on what the two make."""
    answers, readings = _answer_rows(shop, codes), _voice_rows(shop, codes, READING)
    rows = [*answers, *readings]
    flow, hift = make_flow(shop, rows, codes).flow, make_hift(shop, rows).hift

    @cache
    def heard() -> list[PitchBatch]:
        each_once = {row.key: row for row in answers}
        mels = {key: [*pitch_rows([row]), *pitch_rows([row], flow)] for key, row in each_once.items()}
        return [*(mel for row in answers for mel in mels[row.key]), *pitch_rows(readings)]

    make_pitch(shop, hift, heard)
    return Vocoder(flow, hift)


def _answer_rows(shop: Workshop, codes: Codes) -> list[VoiceRow]:
    """The answers are few, and what will be said: they are heard more often than the readings, songs most often."""
    sung = {answer_key(pair) for pair in shop.pairs if pair.manner.notes}
    answers = _voice_rows(shop, codes, ANSWER)
    turns = (shop.recipe.n_sung_turns if row.key in sung else shop.recipe.n_answer_turns for row in answers)
    return [row for row, n_turns in zip(answers, turns, strict=True) for _ in range(n_turns)]


def make_hift(shop: Workshop, rows: Sequence[VoiceRow]) -> HiftTask:
    """Train HiFT on the voice of the answers, from the mel of recordings; it needs no codes."""
    recipe, config = shop.recipe, shop.recipe.config.hift
    torch.manual_seed(recipe.seed + 2)
    task = HiftTask(config)
    if shop.start:
        take_over(task.hift, shop.start.vocoder.hift)

    def epoch(number: int) -> Iterator[Any]:
        seed = epoch_seed(recipe.seed, number)
        return hift_batches(rows, config, n_frames=recipe.hift_frames, batch_size=recipe.hift_batch, seed=seed)

    shop.run("hift", task, epoch)
    return task


def make_pitch(shop: Workshop, hift: MelToWave, rows: Callable[[], Sequence[PitchBatch]]) -> None:
    """Train the pitch predictor of a HiFT further; the rows, which the flow has to speak, are made only if it is."""
    recipe = shop.recipe

    def epoch(number: int) -> Iterator[PitchBatch]:
        seed = epoch_seed(recipe.seed, number)
        return pitch_batches(rows(), n_frames=recipe.pitch_frames, batch_size=recipe.pitch_batch, seed=seed)

    shop.run("pitch", PitchTask(hift), epoch)


def make_flow(shop: Workshop, rows: Sequence[VoiceRow], codes: Codes) -> FlowTask:
    """Train the flow on the voice of the answers."""
    recipe, config = shop.recipe, shop.recipe.config.flow
    torch.manual_seed(recipe.seed + 3)
    task = FlowTask(config)
    if not (shop.start and start_flow(task.flow, shop.start, code_places(shop, codes))):
        task.start_at(mean_mel(rows[:: max(1, len(rows) // _MEAN_TAKES)]))

    def epoch(number: int) -> Iterator[Any]:
        return flow_batches(rows, config, frames=recipe.flow_frames, seed=epoch_seed(recipe.seed, number))

    shop.run("flow", task, epoch)
    return task


def _voice_rows(shop: Workshop, codes: Codes, kind: str) -> list[VoiceRow]:
    return [
        VoiceRow(
            key=take.key,
            samples=take.samples,
            codes=codes[take.kind, take.key],
            f0_hz=np.asarray(take.f0_hz, np.float32),
        )
        for take in shop.takes(kinds=(kind,))
    ]


class Until(StrEnum):
    """The stage after which the decoder's training ends."""

    SFT = "sft"
    DPO = "dpo"
    MERGE = "merge"


def make_models(
    shop: Workshop,
    codes: Codes,
    tokenizer: DualTokenizer,
    vocoder: Callable[[], Vocoder],
    rank: Rank,
    *,
    until: Until = Until.MERGE,
) -> Path:
    """Train the decoder through its stages, and write a model of each.

    Args:
        shop: where.
        codes: of all recordings.
        tokenizer: of every model.
        vocoder: gives that of every model; asked for once the first stage is through, which needs none.
        rank: who says which of two answers is better.
        until: the last stage.

    Returns:
        the folder of the models.
    """
    recipe = shop.recipe
    vocabulary = Vocabulary.tiny()
    lessons = lessons_of(shop, codes, vocabulary)
    decoder = DecoderStages(shop, tokenizer, cache(vocoder), vocabulary)
    backbone = random_backbone(recipe.config, recipe.seed).train()
    place_codes_by_sound(backbone, tokenizer, vocabulary)
    if not (shop.start and start_backbone(backbone, shop.start, code_places(shop, codes))):
        decoder.learn("pretrain", backbone, lessons.pretraining())  # a start that fits has it behind it
    before = copy.deepcopy(backbone.state_dict())
    decoder.learn("sft1", backbone, lessons.stage_1())
    first = copy.deepcopy(backbone.state_dict())
    for name, weights in (("before", before), ("sft1", first)):  # now: saving needs the vocoder, and stage 1 did not
        backbone.load_state_dict(weights)
        decoder.save(name, backbone)
    decoder.learn("sft2", backbone, lessons.stage_2())
    decoder.save("sft2", backbone)
    if until is not Until.SFT:
        backbone.load_state_dict(first)
        pairs = make_preferences(shop, decoder.model(backbone), lessons, rank)
        for name, mask_audio in (("dpo", True), ("dpo_plain", False)):
            backbone.separate_projections()  # answering has joined them
            backbone.load_state_dict(first)
            if pairs:
                decoder.prefer(name, backbone, masked_for_dpo(pairs, vocabulary, mask_audio=mask_audio))
            decoder.save(name, backbone)
    if until is Until.MERGE:
        folders = [shop.models / name for name in ("sft1", "sft2", "dpo")]
        merge_checkpoints(folders, shop.models / MERGED, weights=recipe.merge_weights)
    return shop.models


def make_preferences(shop: Workshop, model: StepAudioAQAA, lessons: Lessons, rank: Rank) -> list[PreferenceRow]:
    """Pairs of answers that the stage-1 model gave to the same question, the better one first.

    There may be none: a good model says the same twice. Then nothing is preferred, and DPO's weights are SFT 1's.
    """
    made = shop.folder / "preferences.json"
    if not made.is_file():
        every = max(1, len(shop.trained_pairs) // shop.recipe.n_preferences)
        chosen = shop.trained_pairs[::every][: shop.recipe.n_preferences]
        found = answered_twice(model, [(pair, lessons.spoken(pair)) for pair in chosen], rank, watch=shop.watch)
        temporary = made.with_suffix(".part")
        temporary.write_text(json.dumps(found), "utf-8")
        os.replace(temporary, made)
    rows = json.loads(made.read_text("utf-8"))
    if not rows:
        _log.warning("%s: no question got two answers of different worth; DPO leaves SFT 1 as it is", made)
    return [
        PreferenceRow(
            chosen=TrainingRow.of(row["prompt"], row["chosen"]), rejected=TrainingRow.of(row["prompt"], row["rejected"])
        )
        for row in rows
    ]
