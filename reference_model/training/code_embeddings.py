"""Where the codes of speech start in the decoder: near those that sound alike.

A row of its own for each of 5,120 codes would have to be learnt from nothing, and a voice that uses other codes than
the training voices would meet rows that never moved. The tokenizer knows already which codes are neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.tokenizer.semantic import SemanticTokenizer
from aqaa_eval.reference_model.vocabulary import Vocabulary

SCALE = 0.02
"""Deviation of the numbers of a row, that of all other rows."""
OWN_SHARE = 0.3
"""How much of the random row is kept, so that neighbours differ."""


@torch.no_grad()
def place_codes_by_sound(
    backbone: Step1ForCausalLM, tokenizer: DualTokenizer, vocabulary: Vocabulary, *, seed: int = 0
) -> None:
    """Set the rows of all audio codes, in embedding and head, to a projection of the tokenizer's code vectors.

    A semantic tokenizer that is no module of ours keeps its vectors to itself: its codes stay where they are.
    """
    generator = torch.Generator().manual_seed(seed)
    tables = [(vocabulary.first_audio_id, tokenizer.codebook)]
    if isinstance(tokenizer.semantic, SemanticTokenizer):
        tables.append((vocabulary.first_semantic_id, tokenizer.semantic.quantizer._codebook.embed))
    for rows_VD in (backbone.model.embed_tokens.weight, backbone.lm_head.weight):
        for first, codes_CE in tables:
            part = rows_VD[first : first + len(codes_CE)]
            part.mul_(OWN_SHARE).add_(projected(codes_CE, rows_VD.shape[1], generator))


def projected(codes_CE: Tensor, width: int, generator: torch.Generator) -> Tensor:
    """Code vectors at another width: distances are kept about in proportion (Johnson and Lindenstrauss 1984).

    Args:
        codes_CE: C codes of E numbers.
        width: of the rows.
        generator: draws the directions.

    Returns:
        [C, width], of mean 0 and deviation about `SCALE`.
    """
    centred_CE = codes_CE - codes_CE.mean(0)
    centred_CE = centred_CE / centred_CE.std().clamp_min(1e-6)
    directions_EW = torch.randn(codes_CE.shape[1], width, generator=generator) / codes_CE.shape[1] ** 0.5
    rows_CW: Tensor = SCALE * centred_CE @ directions_EW
    return rows_CW
