"""Questions as a stranger might have said them: some codes changed for codes that sound alike.

A tokenizer gives the same words of an unknown voice, or in an unknown room, codes that are near those it gave the known
ones. The voices of a small training set are few; noise of this kind stands for those that are not in it.

Shapes: C codes of a codebook, E its width, K neighbours, N ids of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.tokenizer.semantic import SemanticTokenizer
from aqaa_eval.reference_model.training.rows import TrainingRow
from aqaa_eval.reference_model.vocabulary import Vocabulary

N_NEIGHBOURS = 12


class CodeNoise:
    """Changes codes of questions; those of answers stay.

    Args:
        tokenizer: whose codebooks say which codes are neighbours; one that keeps its vectors to itself has none.
        vocabulary: tells audio ids.
        share: of the codes that are changed.

    Raises:
        ValueError: the share is not within 0 and 1.
    """

    def __init__(self, tokenizer: DualTokenizer, vocabulary: Vocabulary, share: float) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share ({share}) of changed codes must lie within 0 and 1")
        self.share = share
        books = [(vocabulary.first_audio_id, tokenizer.codebook)]
        if isinstance(tokenizer.semantic, SemanticTokenizer):
            books.append((vocabulary.first_semantic_id, tokenizer.semantic.quantizer._codebook.embed))
        self._near_NK = np.repeat(np.arange(vocabulary.size)[:, None], N_NEIGHBOURS, axis=1)
        for first, codes_CE in books:
            near_CK = nearest(codes_CE, N_NEIGHBOURS).numpy()
            self._near_NK[first : first + len(near_CK), : near_CK.shape[1]] = first + near_CK

    def __call__(self, rows: Sequence[TrainingRow], seed: int) -> list[TrainingRow]:
        """The rows with other codes here and there; text, answers and lengths are the same."""
        rng = np.random.default_rng(seed)
        return [self._changed(row, rng) for row in rows] if self.share else list(rows)

    def _changed(self, row: TrainingRow, rng: np.random.Generator) -> TrainingRow:
        ids_N = np.asarray(row.ids)
        is_changed_N = (rng.random(len(ids_N)) < self.share) & ~np.asarray(row.loss)
        near_N = self._near_NK[ids_N, rng.integers(N_NEIGHBOURS, size=len(ids_N))]
        return replace(row, ids=tuple(np.where(is_changed_N, near_N, ids_N).tolist()))


def nearest(codes_CE: Tensor, n_neighbours: int) -> Tensor:
    """The nearest other codes of each code by distance of their vectors, [C, K], K at most C - 1.

    >>> nearest(torch.tensor([[0.0], [1.0], [3.0]]), 1).tolist()
    [[1], [0], [1]]
    """
    distances_CC = torch.cdist(codes_CE.float(), codes_CE.float())
    distances_CC.fill_diagonal_(float("inf"))
    return distances_CC.topk(min(n_neighbours, len(codes_CE) - 1), largest=False).indices
