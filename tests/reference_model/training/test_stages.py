"""SFT overfits one batch; masked DPO moves text and leaves the audio nearly alone, plain DPO does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.layout import parse_layout
from aqaa_eval.reference_model.model import random_backbone
from aqaa_eval.reference_model.training.loop import TrainingPlan, train
from aqaa_eval.reference_model.training.losses import sequence_log_probs
from aqaa_eval.reference_model.training.packing import lay_out
from aqaa_eval.reference_model.training.rows import (
    CodedExample,
    CodedSegment,
    CodedTurn,
    PreferenceRow,
    TrainingRow,
    audio_mask,
    write_row,
)
from aqaa_eval.reference_model.training.stages import (
    BatchShape,
    dpo_stage,
    masked_for_dpo,
    reference_log_probs,
    sft_stage,
)
from aqaa_eval.reference_model.vocabulary import Vocabulary

VOCABULARY = Vocabulary.tiny()
LAYOUT = parse_layout("interleave_10_15")


def coded(seed: int, n_groups: int) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    groups = []
    for _ in range(n_groups):
        slow = torch.randint(0, 1024, (2,), generator=generator).tolist()
        fast = torch.randint(1024, 5120, (3,), generator=generator).tolist()
        groups += [*slow, *fast]
    return tuple(groups)


def row(number: int, answer: str) -> TrainingRow:
    asked = CodedTurn(role="human", text="?", codes=coded(number, 3))
    example = CodedExample(
        key=str(number),
        turns=(asked,),
        answer=(CodedSegment(text=answer, codes=coded(1000 + number, 4)),),
    )
    return write_row(example, LAYOUT, vocabulary=VOCABULARY, convention="chat")


@pytest.fixture(scope="module")
def backbone() -> Step1ForCausalLM:
    return random_backbone(tiny(), seed=0)


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_fine_tuning_overfits_one_batch(tmp_path, backbone):
    model = copy.deepcopy(backbone)
    rows = [row(0, "Yes."), row(1, "No.")]
    stage = sft_stage("sft1", model, rows, BatchShape(length=128, batch_size=2), seed=0)
    train(stage, TrainingPlan(n_steps=40, learning_rate=3e-3, n_warmup=3), tmp_path)
    assert losses(tmp_path)[0] > 8
    assert losses(tmp_path)[-1] < 0.3


def test_the_masked_pairs_sum_over_text_and_markers_only():
    [pair] = masked_for_dpo([PreferenceRow(chosen=row(0, "Yes."), rejected=row(0, "No."))], VOCABULARY, mask_audio=True)
    counted = [token for token, counts in zip(pair.chosen.ids, pair.chosen.loss, strict=True) if counts]
    assert counted
    assert not any(audio_mask(counted, VOCABULARY))
    assert "Yes." in VOCABULARY.decode(counted)
    [plain] = masked_for_dpo(
        [PreferenceRow(chosen=row(0, "Yes."), rejected=row(0, "No."))], VOCABULARY, mask_audio=False
    )
    assert sum(plain.chosen.loss) > sum(pair.chosen.loss)


def log_prob_of_audio(model: Step1ForCausalLM, rows: list[TrainingRow]) -> torch.Tensor:
    audio = [
        TrainingRow(
            ids=r.ids,
            loss=tuple(c and a for c, a in zip(r.loss, audio_mask(r.ids, VOCABULARY), strict=True)),
        )
        for r in rows
    ]
    with torch.no_grad():
        batch = lay_out([[r] for r in audio], max(map(len, audio)))
        return sequence_log_probs(model, batch, n_samples=1)


def optimised(backbone: Step1ForCausalLM, folder: Path, *, mask_audio: bool) -> tuple[Step1ForCausalLM, list[dict]]:
    model = copy.deepcopy(backbone)
    pairs = [PreferenceRow(chosen=row(n, "Yes, it is."), rejected=row(n + 50, "No.")) for n in range(4)]
    stage = dpo_stage(
        "dpo",
        model,
        masked_for_dpo(pairs, VOCABULARY, mask_audio=mask_audio),
        beta=0.1,
        batch_size=4,
        seed=0,
    )
    train(stage, TrainingPlan(n_steps=12, learning_rate=3e-4), folder)
    return model, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_preference_optimisation_starts_at_the_logarithm_of_two_and_learns_to_prefer(tmp_path, backbone):
    _, steps = optimised(backbone, tmp_path, mask_audio=True)
    assert steps[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert steps[-1]["loss"] < 0.6
    assert steps[-1]["accuracy"] == 1.0


def test_masked_preference_optimisation_moves_the_audio_less_than_the_plain_one(tmp_path, backbone):
    rows = [row(n, "Yes, it is.") for n in range(4)]
    before = log_prob_of_audio(backbone, rows)
    masked, _ = optimised(backbone, tmp_path / "masked", mask_audio=True)
    plain, _ = optimised(backbone, tmp_path / "plain", mask_audio=False)
    drift_masked = (log_prob_of_audio(masked, rows) - before).abs().mean()
    drift_plain = (log_prob_of_audio(plain, rows) - before).abs().mean()
    assert drift_masked < 0.5 * drift_plain


def test_the_reference_is_the_policy_before_it_moves(backbone):
    pairs = [PreferenceRow(chosen=row(n, "Yes."), rejected=row(n, "No.")) for n in range(3)]
    whole = reference_log_probs(backbone, pairs, batch_size=3)
    single = reference_log_probs(backbone, pairs, batch_size=1)
    torch.testing.assert_close(whole, single, rtol=1e-4, atol=1e-3)
    assert (whole < 0).all()
