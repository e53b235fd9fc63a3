"""The losses of post-training, one class each.

Shapes: B blocks, T positions, D width, V vocabulary, N positions that are learnt, S samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.training.packing import PackedBatch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenLoss:
    """A loss as sum and count, so that pooling over devices and steps is right by construction.

    Attributes:
        total: sum over tokens.
        n_tokens: how many.
        shown: further figures for the log.
    """

    total: Tensor
    n_tokens: int
    shown: Mapping[str, float] | None = None

    @property
    def mean(self) -> Tensor:
        """Per token."""
        return self.total / max(1, self.n_tokens)


class ResponseLoss(nn.Module):
    """Cross-entropy on the tokens of the answer only: SFT 1 and 2 of Step-Audio-AQAA (arXiv 2506.08967).

    The head is read at the learnt positions only: with a question four times as long as its answer that is a fifth of
    its work.

    Args:
        n_text: ids below this are text.
        text_weight: of a text token beside an audio token; the mean weight of a batch is 1. A spoken answer has ten
            times as many codes as words, and what is answered is decided by the words.
    """

    def __init__(self, *, n_text: int = 0, text_weight: float = 1.0) -> None:
        super().__init__()
        self.n_text, self.text_weight = n_text, text_weight

    def forward(self, model: Step1ForCausalLM, batch: PackedBatch) -> TokenLoss:
        """The loss of a batch; the first token of a sample is never predicted from another sample."""
        logits_NV, wanted_N = learnt_logits(model, batch)
        lost_N = functional.cross_entropy(logits_NV.float(), wanted_N, reduction="none")
        if self.text_weight == 1.0:
            return TokenLoss(total=lost_N.sum(), n_tokens=len(wanted_N))
        weight_N = torch.where(wanted_N < self.n_text, self.text_weight, 1.0)
        return TokenLoss(total=(lost_N * weight_N).sum() / weight_N.mean(), n_tokens=len(wanted_N))


def learnt_logits(model: Step1ForCausalLM, batch: PackedBatch) -> tuple[Tensor, Tensor]:
    """Logits at the positions before learnt tokens, and these tokens: [N, V] and [N]."""
    hidden_BTD = model.model(batch.ids_BT, batch.sample_BT)
    is_learnt = _is_predicted(batch)
    return model.lm_head(hidden_BTD[:, :-1][is_learnt]), batch.ids_BT[:, 1:][is_learnt]


def _is_predicted(batch: PackedBatch) -> Tensor:
    """[B, T - 1]: the next token is learnt and belongs to the same sample."""
    same: Tensor = batch.sample_BT[:, 1:] == batch.sample_BT[:, :-1]
    return batch.loss_BT[:, 1:] & same


def sequence_log_probs(model: Step1ForCausalLM, batch: PackedBatch, *, n_samples: int) -> Tensor:
    """Log-probability of each sample's learnt tokens, summed: [B * n_samples].

    Args:
        model: policy or reference policy.
        batch: blocks; a sample that a block lacks gives 0.
        n_samples: the most samples that a block holds.
    """
    logits_NV, wanted_N = learnt_logits(model, batch)
    chosen_N = -functional.cross_entropy(logits_NV.float(), wanted_N, reduction="none")
    number_BT = batch.sample_BT[:, 1:] - 1
    block_BT = torch.arange(len(number_BT), device=number_BT.device)[:, None] * n_samples
    place_N = (block_BT + number_BT)[_is_predicted(batch)]
    sums = chosen_N.new_zeros(len(number_BT) * n_samples)
    return sums.index_add(0, place_N, chosen_N)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreferenceLoss:
    """What a preference step gives.

    Attributes:
        total: sum over pairs.
        chosen_rewards_S: beta times the log-ratio of the preferred answers.
        rejected_rewards_S: the same of the others.
    """

    total: Tensor
    chosen_rewards_S: Tensor
    rejected_rewards_S: Tensor

    @property
    def mean(self) -> Tensor:
        """Per pair."""
        return self.total / max(1, len(self.chosen_rewards_S))

    @property
    def accuracy(self) -> float:
        """Share of pairs in which the preferred answer has the higher reward."""
        return float((self.chosen_rewards_S > self.rejected_rewards_S).float().mean())


class DpoLoss(nn.Module):
    """Direct preference optimisation (Rafailov et al., arXiv 2305.18290, equation 7).

        -log sigmoid(beta * ((log pi(chosen) - log ref(chosen)) - (log pi(rejected) - log ref(rejected))))

    Which tokens are in the sums is the mask's affair: with every audio position masked out it is the masked DPO of
    Step-Audio-AQAA, without a mask the plain one.
    """

    def __init__(self, beta: float = 0.1) -> None:
        super().__init__()
        if not beta > 0:
            raise ValueError(f"beta ({beta}) must be above 0: it is the price of leaving the reference policy")
        self.beta = beta

    def forward(self, policy: tuple[Tensor, Tensor], reference: tuple[Tensor, Tensor]) -> PreferenceLoss:
        """The loss of S pairs.

        Args:
            policy: summed log-probabilities of the chosen and of the rejected answers under the policy, [S] each.
            reference: the same under the reference policy.
        """
        chosen_S = self.beta * (policy[0] - reference[0])
        rejected_S = self.beta * (policy[1] - reference[1])
        total = -functional.logsigmoid(chosen_S - rejected_S).sum()
        return PreferenceLoss(total=total, chosen_rewards_S=chosen_S.detach(), rejected_rewards_S=rejected_S.detach())
