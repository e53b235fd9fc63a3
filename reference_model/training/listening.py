"""A second loss that teaches the decoder to hear: half way up, each sound of a row must be readable as words.

A decoder that only learns to answer finds out very late which codes make which word: for thousands of steps it guesses
from the first sounds. Here the hidden states of one layer are read by CTC (Graves et al., ICML 2006) through the rows
of the output head, so that a word that was just said stands there as the decoder writes it, and the layers above need
only copy it or think about it. Speech recognisers are trained so, jointly (Kim, Hori and Watanabe, arXiv 1609.06773)
and from a layer in the middle (Lee and Watanabe, arXiv 2102.03216). It adds no parameters, and nothing is left of it in
the model.

The sound of the answer is read, too: whoever hears what it has said so far knows what to say next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from aqaa_eval.reference_model.backbone.step1 import Step1ForCausalLM
from aqaa_eval.reference_model.training.losses import ResponseLoss, TokenLoss
from aqaa_eval.reference_model.training.packing import PackedBatch
from aqaa_eval.reference_model.training.rows import Heard, TrainingRow, audio_mask
from aqaa_eval.reference_model.vocabulary import UNKNOWN, Vocabulary


def with_words(row: TrainingRow, question: Sequence[int], answer: Sequence[int], vocabulary: Vocabulary) -> TrainingRow:
    """The row with the words of its sounds; words that the vocabulary cannot write, or without sound, are left out.

    Args:
        row: a conversation.
        question: text ids of the words of the question.
        answer: of the answer.
        vocabulary: tells audio ids.

    >>> vocabulary = Vocabulary.tiny()
    >>> code = vocabulary.first_audio_id
    >>> with_words(TrainingRow.of([31, code, code, 32], [9, code]), [70], [71], vocabulary).heard
    (Heard(places=(1, 2), words=(70,)), Heard(places=(5,), words=(71,)))
    """
    sounds = [place for place, is_audio in enumerate(audio_mask(row.ids, vocabulary)) if is_audio]
    asked = tuple(place for place in sounds if not row.loss[place])
    said = tuple(place for place in sounds if row.loss[place])
    found = (Heard(places=places, words=tuple(words)) for places, words in ((asked, question), (said, answer)))
    return replace(row, heard=tuple(part for part in found if part.places and part.words and UNKNOWN not in part.words))


class ListeningLoss(nn.Module):
    """Cross-entropy on the answer, plus CTC on the words of every sound.

    Args:
        n_text: ids below this are text.
        after_layer: how many layers have worked on what is read.
        weight: of CTC per word beside cross-entropy per token; 0 leaves it out.
        text_weight: see `ResponseLoss`.
    """

    def __init__(self, n_text: int, *, after_layer: int, weight: float, text_weight: float = 1.0) -> None:
        super().__init__()
        self.n_text, self.after_layer, self.weight = n_text, after_layer, weight
        self._answer = ResponseLoss(n_text=n_text, text_weight=text_weight)

    def forward(self, model: Step1ForCausalLM, batch: PackedBatch) -> TokenLoss:
        """The loss of a batch, per token of the answers."""
        if not self.weight or not batch.heard:
            found: TokenLoss = self._answer(model, batch)
            return found
        with _output_of(model.model.stack()[self.after_layer - 1]) as seen:
            found = self._answer(model, batch)
        heard = words_loss(seen[0], batch, model.lm_head.weight[: self.n_text])
        n_words = sum(len(words) for _, words in batch.heard)
        # Per word as much as per token, whatever the share of either in the batch.
        return TokenLoss(
            total=found.total + self.weight * heard * (found.n_tokens / n_words),
            n_tokens=found.n_tokens,
            shown={"words": heard.item() / n_words, "answer": found.total.item() / max(1, found.n_tokens)},
        )


def words_loss(hidden_BTD: Tensor, batch: PackedBatch, rows_VD: Tensor) -> Tensor:
    """CTC over the words of every sound, summed; the id of the unknown piece is the blank.

    Args:
        hidden_BTD: what is read, not normalised.
        batch: says where its sounds are.
        rows_VD: of the output head, by text id.
    """
    sizes = [len(places) for places, _ in batch.heard]
    frames_ND = hidden_BTD.flatten(0, 1)[torch.cat([places for places, _ in batch.heard])].float()
    logits_NV = functional.linear(functional.rms_norm(frames_ND, frames_ND.shape[-1:]), rows_VD)
    log_probs_NV = logits_NV.log_softmax(-1)
    # Gathered at once: the gradient of padding one by one is a whole batch of zeros per sound.
    place_TS = pad_sequence(list(torch.split(torch.arange(len(log_probs_NV)), sizes)))
    log_probs_TSV = log_probs_NV.index_select(0, place_TS.flatten()).view(*place_TS.shape, -1)
    return functional.ctc_loss(
        log_probs_TSV,
        torch.cat([words for _, words in batch.heard]),
        torch.tensor(sizes),
        torch.tensor([len(words) for _, words in batch.heard]),
        blank=UNKNOWN,
        reduction="sum",
        zero_infinity=True,
    )


@contextmanager
def _output_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What the layer gives, once it has run."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, output: seen.append(output))
    try:
        yield seen
    finally:
        handle.remove()
