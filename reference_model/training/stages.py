"""The stages of post-training: supervised fine-tuning and preference optimisation, as stages of the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.training.listening import ListeningLoss
from aqaa_eval.reference_model.training.loop import Stage, StepLoss
from aqaa_eval.reference_model.training.losses import DpoLoss, ResponseLoss, sequence_log_probs
from aqaa_eval.reference_model.training.packing import PackedBatch, lay_out, packed_batches
from aqaa_eval.reference_model.training.rows import PreferenceRow, TrainingRow, audio_mask
from aqaa_eval.reference_model.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchShape:
    """How rows are batched.

    Attributes:
        length: tokens of a block.
        batch_size: blocks of a batch.

    Raises:
        ValueError: one of them is below 1.
    """

    length: int
    batch_size: int

    def __post_init__(self) -> None:
        if self.length < 1 or self.batch_size < 1:
            raise ValueError(f"blocks of {self.length} tokens, {self.batch_size} in a batch: both must be at least 1")


def sft_stage(
    name: str,
    model: nn.Module,
    rows: Sequence[TrainingRow],
    shape: BatchShape,
    *,
    seed: int,
    listening: ListeningLoss | None = None,
    vary: Callable[[Sequence[TrainingRow], int], Sequence[TrainingRow]] | None = None,
) -> Stage[Any]:
    """Full-parameter fine-tuning on the answers' tokens.

    Args:
        name: "sft1" or "sft2", for logs.
        model: a `Step1ForCausalLM`.
        rows: the data.
        shape: of the batches.
        seed: of their order.
        listening: reads the words of the rows' sounds, too; None for the answers alone.
        vary: gives the rows of an epoch by its seed; None for the same ones each time.
    """
    loss = listening or ResponseLoss()

    def step(network: Any, batch: PackedBatch) -> StepLoss:
        found = loss(network, batch)
        return StepLoss(total=found.total, count=found.n_tokens, shown=found.shown)

    def epoch(number: int) -> Iterator[PackedBatch]:
        drawn = epoch_seed(seed, number)
        varied = vary(rows, drawn) if vary else rows
        return packed_batches(varied, length=shape.length, batch_size=shape.batch_size, seed=drawn)

    return _stage(name, model, step, epoch)


class _Answering(nn.Module):
    """The decoder's loss as one `forward`: DDP and FSDP see calls of the module that they wrap, not of its parts."""

    def __init__(self, decoder: nn.Module, loss: Callable[[nn.Module, Any], StepLoss]) -> None:
        super().__init__()
        self.decoder = decoder
        self._loss = loss

    def forward(self, batch: Any) -> StepLoss:
        """The loss of a batch."""
        return self._loss(self.decoder, batch)


def _stage(
    name: str,
    decoder: nn.Module,
    loss: Callable[[nn.Module, Any], StepLoss],
    epoch: Callable[[int], Iterator[Any]],
) -> Stage[Any]:
    return Stage(name=name, model=_Answering(decoder, loss), loss=lambda model, batch: model(batch), epoch=epoch)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairBatch:
    """Preference pairs: the chosen answers in the first half of the rows, the rejected ones in the second.

    Attributes:
        rows: a row per answer.
        reference_S2: log-probabilities under the reference policy, chosen and rejected.
    """

    rows: PackedBatch
    reference_S2: Tensor

    def to(self, device: torch.device | str) -> PairBatch:
        """The same on a device."""
        return PairBatch(rows=self.rows.to(device), reference_S2=self.reference_S2.to(device))


def masked_for_dpo(pairs: Sequence[PreferenceRow], vocabulary: Vocabulary, *, mask_audio: bool) -> list[PreferenceRow]:
    """The pairs with the loss mask that DPO shall sum over.

    Args:
        pairs: with the whole answers in their masks.
        vocabulary: tells audio ids.
        mask_audio: True for the paper's masked DPO, False for the plain one.
    """
    if not mask_audio:
        return list(pairs)

    def masked(row: TrainingRow) -> TrainingRow:
        is_audio = audio_mask(row.ids, vocabulary)
        return TrainingRow(
            ids=row.ids, loss=tuple(counts and not audio for counts, audio in zip(row.loss, is_audio, strict=True))
        )

    return [PreferenceRow(chosen=masked(pair.chosen), rejected=masked(pair.rejected)) for pair in pairs]


def dpo_stage(
    name: str, policy: Step1ForCausalLM, pairs: Sequence[PreferenceRow], *, beta: float, batch_size: int, seed: int
) -> Stage[Any]:
    """Preference optimisation from the policy as it stands: its present weights are the reference policy.

    The reference's log-probabilities are computed once, now, so no second model is kept.

    Args:
        name: for logs.
        policy: the SFT 1 weights.
        pairs: with the loss mask to sum over, see `masked_for_dpo`.
        beta: price of leaving the reference.
        batch_size: pairs per batch.
        seed: of their order.
    """
    reference_S2 = reference_log_probs(policy, pairs, batch_size=batch_size)
    loss = DpoLoss(beta)

    def step(network: Any, batch: PairBatch) -> StepLoss:
        log_probs = sequence_log_probs(network, batch.rows, n_samples=1).view(2, -1)
        reference_2S = batch.reference_S2.T
        found = loss((log_probs[0], log_probs[1]), (reference_2S[0], reference_2S[1]))
        rewards = found.chosen_rewards_S - found.rejected_rewards_S
        return StepLoss(
            total=found.total,
            count=len(rewards),
            shown={"accuracy": found.accuracy, "margin": rewards.mean().item()},
        )

    def epoch(number: int) -> Iterator[PairBatch]:
        generator = torch.Generator().manual_seed(epoch_seed(seed, number))
        order = iter(torch.randperm(len(pairs), generator=generator).tolist())
        while chosen := list(islice(order, batch_size)):
            yield pair_batch([pairs[i] for i in chosen], reference_S2[chosen])

    return _stage(name, policy, step, epoch)


def pair_batch(pairs: Sequence[PreferenceRow], reference_S2: Tensor) -> PairBatch:
    """Pairs as one batch, an answer per row."""
    rows = [*(pair.chosen for pair in pairs), *(pair.rejected for pair in pairs)]
    return PairBatch(rows=lay_out([[row] for row in rows], max(map(len, rows))), reference_S2=reference_S2)


@torch.no_grad()
def reference_log_probs(model: Step1ForCausalLM, pairs: Sequence[PreferenceRow], *, batch_size: int) -> Tensor:
    """Summed log-probabilities of chosen and rejected answers: [S, 2]."""
    found = []
    for start in range(0, len(pairs), batch_size):
        batch = pair_batch(pairs[start : start + batch_size], torch.empty(0))
        found.append(sequence_log_probs(model, batch.rows, n_samples=1).view(2, -1).T)
    return torch.cat(found)


def epoch_seed(seed: int, number: int) -> int:
    """Seed of one epoch of a training with this seed."""
    return (seed * 1_000_003 + number) % 2**31
