"""Training that goes on from a model that is there.

A part of the same widths begins with its weights, a deeper one with those of its first layers. The tokenizer changes in
training, so its codes get other meanings; the rows of the codes, in decoder and flow, therefore follow them: both
tokenizers code the same recordings, and a new code starts as the mean of the old codes that stood in its places.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.model import StepAudioAQAA
from aqaa_eval.reference_model.vocoder.flow import Flow


def take_over(part: nn.Module, start: nn.Module) -> bool:
    """Copy the weights of a part if all of them fit; whether they were copied. Layers that only the new part has stay.

    >>> take_over(nn.Linear(2, 3), nn.Linear(2, 3)), take_over(nn.Linear(2, 3), nn.Linear(2, 4))
    (True, False)
    >>> take_over(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 2)))
    True
    """
    mine, theirs = ({name: t.shape for name, t in each.state_dict().items()} for each in (part, start))
    if any(mine.get(name) != shape for name, shape in theirs.items()):
        return False
    part.load_state_dict({name: tensor.float() for name, tensor in start.state_dict().items()}, strict=False)
    return True


@torch.no_grad()
def follow_codes(rows_VD: Tensor, was_N: Tensor, is_N: Tensor) -> None:
    """Set the row of each new code to the mean of the rows of the old codes in its places; unseen codes keep theirs.

    Args:
        rows_VD: a row per code, changed in place.
        was_N: old code of each place.
        is_N: new code of the same place.

    >>> rows = torch.tensor([[1.0], [3.0], [7.0]])
    >>> follow_codes(rows, torch.tensor([0, 1, 0]), torch.tensor([1, 1, 0]))
    >>> rows[:, 0].tolist()
    [1.0, 2.0, 7.0]
    """
    sums_VD = torch.zeros_like(rows_VD).index_add_(0, is_N, rows_VD[was_N])
    counts_V1 = torch.bincount(is_N, minlength=len(rows_VD))[:, None]
    rows_VD.copy_(torch.where(counts_V1 > 0, sums_VD / counts_V1.clamp_min(1), rows_VD))


def same_places(was: Sequence[Sequence[int]], now: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Codes of the same recordings by two tokenizers, place by place.

    Raises:
        ValueError: a recording has another number of codes: the tokenizers differ in their rates.

    >>> same_places([[1, 2], [3]], [[4, 5], [6]])
    (tensor([1, 2, 3]), tensor([4, 5, 6]))
    """
    for place, (old, new) in enumerate(zip(was, now, strict=True)):
        if len(old) != len(new):
            raise ValueError(f"recording {place} has {len(old)} codes by the start and {len(new)} by the new tokenizer")
    return torch.tensor([code for row in was for code in row]), torch.tensor([code for row in now for code in row])


def start_backbone(backbone: Step1ForCausalLM, start: StepAudioAQAA, places: tuple[Tensor, Tensor] | None) -> bool:
    """Begin a decoder with that of a model, its code rows following the new codes; whether its sizes allowed it.

    Args:
        backbone: is changed.
        start: the model.
        places: old and new codes at the same places; None where the codes are the same.
    """
    start.backbone.separate_projections()
    if not take_over(backbone, start.backbone):
        return False
    if places is None:
        return True
    first = start.vocabulary.first_audio_id
    for rows_VD in (backbone.model.embed_tokens.weight, backbone.lm_head.weight):
        follow_codes(rows_VD[first:], *places)
    return True


def start_flow(flow: Flow, start: StepAudioAQAA, places: tuple[Tensor, Tensor] | None) -> bool:
    """The same for the flow."""
    if not take_over(flow, start.vocoder.flow):
        return False
    if places is not None:
        follow_codes(flow.input_embedding.weight, *places)
    return True
