"""Losses: worked by hand, and equal however samples are packed."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.config import Step1Config
from aqaa_eval.reference_model.training.losses import DpoLoss, ResponseLoss, learnt_logits, sequence_log_probs
from aqaa_eval.reference_model.training.packing import PackedBatch, lay_out, pack, packed_batches
from aqaa_eval.reference_model.training.rows import TrainingRow

V = 11


def row(ids: list[int], n_prompt: int) -> TrainingRow:
    return TrainingRow(ids=tuple(ids), loss=tuple(place >= n_prompt for place in range(len(ids))))


ROWS = [row([1, 4, 5, 6, 2, 3], 3), row([1, 7, 8, 3], 2), row([1, 9, 10, 4, 4, 6, 3], 1), row([1, 2, 3], 2)]


@pytest.fixture(scope="module")
def model() -> Step1ForCausalLM:
    torch.manual_seed(0)
    config = Step1Config(
        hidden_size=24,
        intermediate_size=32,
        num_attention_heads=6,
        num_attention_groups=2,
        num_hidden_layers=2,
        vocab_size=V,
        max_seq_len=64,
    )
    return Step1ForCausalLM(config).double()


def test_the_loss_is_the_cross_entropy_of_the_answers_tokens_alone(model):
    sample = ROWS[0]
    log_probs = model(torch.tensor([sample.ids])).detach().log_softmax(-1)[0]
    wanted = -sum(float(log_probs[place - 1, sample.ids[place]]) for place in (3, 4, 5))
    loss = ResponseLoss()(model, lay_out([[sample]], 6))
    assert loss.n_tokens == 3
    assert loss.total.item() == pytest.approx(wanted, rel=1e-6)
    assert loss.mean.item() == pytest.approx(wanted / 3, rel=1e-6)


def test_a_uniform_model_loses_the_logarithm_of_the_vocabulary(model):
    uniform = Step1ForCausalLM(model.config).double()
    torch.nn.init.zeros_(uniform.lm_head.weight)
    assert ResponseLoss()(uniform, lay_out([[ROWS[1]]], 4)).mean.item() == pytest.approx(math.log(V))


def test_packing_changes_neither_the_loss_nor_its_gradient(model):
    def gradient(batches: list[PackedBatch]) -> tuple[float, torch.Tensor]:
        model.zero_grad()
        total = sum(ResponseLoss()(model, batch).total for batch in batches)
        total.backward()
        return total.item(), model.model.layers[0].mlp.up_proj.weight.grad.clone()

    alone = gradient([lay_out([[sample]], len(sample)) for sample in ROWS])
    together = gradient([lay_out([ROWS[:2], ROWS[2:]], 12)])
    assert together[0] == pytest.approx(alone[0], rel=1e-6)
    torch.testing.assert_close(together[1], alone[1], rtol=1e-6, atol=1e-9)


def test_log_probabilities_are_summed_by_sample_of_each_block(model):
    packed = sequence_log_probs(model, lay_out([ROWS[:2], ROWS[2:3]], 12), n_samples=2)
    alone = [sequence_log_probs(model, lay_out([[sample]], len(sample)), n_samples=1).item() for sample in ROWS[:3]]
    assert packed.tolist() == pytest.approx([*alone, 0.0], rel=1e-5)


def test_dpo_by_hand():
    # Ratios: chosen 1 - 0.5, rejected -1 - 0; beta 0.5 gives rewards 0.25 and -0.5, and -log sigmoid(0.75).
    loss = DpoLoss(beta=0.5)(
        (torch.tensor([1.0]), torch.tensor([-1.0])),
        (torch.tensor([0.5]), torch.tensor([0.0])),
    )
    assert loss.chosen_rewards_S.item() == pytest.approx(0.25)
    assert loss.rejected_rewards_S.item() == pytest.approx(-0.5)
    assert loss.mean.item() == pytest.approx(math.log(1 + math.exp(-0.75)))
    assert loss.accuracy == 1.0


def test_dpo_of_equal_policies_is_the_logarithm_of_two():
    log_probs = (torch.tensor([-3.0, -4.0]), torch.tensor([-5.0, -1.0]))
    assert DpoLoss()(log_probs, log_probs).mean.item() == pytest.approx(math.log(2))


def test_dpo_raises_the_chosen_answer_and_lowers_the_other():
    chosen, rejected = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    DpoLoss()((chosen, rejected), (torch.zeros(1), torch.zeros(1))).total.backward()
    assert chosen.grad.item() == pytest.approx(-0.05)
    assert rejected.grad.item() == pytest.approx(0.05)


def test_a_beta_of_nothing_is_refused():
    with pytest.raises(ValueError, match="beta"):
        DpoLoss(beta=0.0)


def test_packing_places_every_row_once_and_wastes_little():
    rows = [row([1] * n, 0) for n in (5, 9, 3, 7, 2, 8, 6, 4)]
    blocks = pack(rows, 11)
    assert sorted(i for block in blocks for i in block) == list(range(8))
    assert all(sum(len(rows[i]) for i in block) <= 11 for block in blocks)
    assert len(blocks) == 4
    with pytest.raises(ValueError, match="row 1 has 9 tokens and a block 8"):
        pack(rows, 8)


def test_an_epoch_holds_every_row_once_in_a_seeded_order():
    rows = [row([place + 1] * (1 + place % 5), 0) for place in range(40)]

    def epoch(seed: int) -> list[list[int]]:
        return [batch.ids_BT.flatten().tolist() for batch in packed_batches(rows, length=12, batch_size=2, seed=seed)]

    ids = [token for batch in epoch(0) for token in batch if token]
    assert sorted(ids) == sorted(token for sample in rows for token in sample.ids)
    assert epoch(0) == epoch(0) != epoch(1)


def test_text_tokens_weigh_as_much_as_they_are_told(model):
    plain, weighted = ResponseLoss(), ResponseLoss(n_text=9, text_weight=3.0)
    sample = row([1, 2, 5, 9], 2)  # one text token and one audio token are learnt
    batch = lay_out([[sample]], 4)
    logits, wanted = learnt_logits(model, batch)
    text, audio = functional.cross_entropy(logits.float(), wanted, reduction="none").tolist()
    assert plain(model, batch).total.item() == pytest.approx(text + audio, rel=1e-5)
    assert weighted(model, batch).total.item() == pytest.approx((3 * text + audio) / 2, rel=1e-5)
