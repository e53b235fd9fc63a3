"""The words of a sound, read half way up the decoder."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.model import random_backbone
from aqaa_eval.reference_model.training.listening import ListeningLoss, with_words, words_loss
from aqaa_eval.reference_model.training.losses import ResponseLoss
from aqaa_eval.reference_model.training.packing import PackedBatch, lay_out
from aqaa_eval.reference_model.training.rows import TrainingRow
from aqaa_eval.reference_model.vocabulary import AUDIO_END, AUDIO_START, Vocabulary

VOCABULARY = Vocabulary.tiny()
WORDS = VOCABULARY.encode_inner(" one two three")
CONFIG = replace(tiny(), step1=replace(tiny().step1, hidden_size=48, intermediate_size=96))


def told(words: list[int]) -> TrainingRow:
    """Each word is four codes of its own; the answer is the words in writing."""
    codes = [VOCABULARY.first_audio_id + 4 * word + place for word in words for place in range(4)]
    row = TrainingRow.of([AUDIO_START, *codes, AUDIO_END], words)
    return with_words(row, words, [], VOCABULARY)


def test_one_frame_of_one_word_costs_its_log_probability() -> None:
    hidden_BTD = torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(0))
    rows_VD = torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    batch = PackedBatch(
        ids_BT=torch.zeros(1, 3, dtype=torch.long),
        sample_BT=torch.ones(1, 3, dtype=torch.long),
        loss_BT=torch.zeros(1, 3, dtype=torch.bool),
        heard=((torch.tensor([1]), torch.tensor([4])),),
    )
    unit_D = hidden_BTD[0, 1] / hidden_BTD[0, 1].square().mean().sqrt()
    wanted = -(rows_VD @ unit_D).log_softmax(0)[4].item()
    assert words_loss(hidden_BTD, batch, rows_VD).item() == pytest.approx(wanted, abs=1e-4)


def test_places_follow_a_row_into_its_block() -> None:
    batch = lay_out([[told(WORDS[:1])], [told(WORDS[:1]), told(WORDS[1:2])]], 20)
    heard = [(places.tolist(), words.tolist()) for places, words in batch.heard]
    assert heard == [([1, 2, 3, 4], WORDS[:1]), ([21, 22, 23, 24], WORDS[:1]), ([28, 29, 30, 31], WORDS[1:2])]


def test_without_weight_or_words_it_is_the_loss_of_the_answers() -> None:
    backbone = random_backbone(CONFIG, 0)
    batch = lay_out([[told(WORDS)]], 20)
    alone = ResponseLoss()(backbone, batch).total.item()
    silent = ListeningLoss(VOCABULARY.first_audio_id, after_layer=2, weight=0.0)
    assert silent(backbone, batch).total.item() == alone
    reading = ListeningLoss(VOCABULARY.first_audio_id, after_layer=2, weight=1.0)
    nothing = lay_out([[replace(told(WORDS), heard=())]], 20)
    assert reading(backbone, nothing).total.item() == alone
    assert reading(backbone, batch).total.item() > alone


def test_the_layers_below_learn_the_words() -> None:
    backbone = random_backbone(CONFIG, 0).train()
    loss = ListeningLoss(VOCABULARY.first_audio_id, after_layer=2, weight=1.0)
    optimizer = torch.optim.AdamW(backbone.parameters(), lr=1e-2)
    a, b, c = WORDS
    batch = lay_out([[told(words)] for words in ([a, b], [b, c], [c, a], [b, a], [c], [a])], 16)
    shown = []
    for _ in range(40):
        found = loss(backbone, batch)
        (found.total / found.n_tokens).backward()
        optimizer.step()
        optimizer.zero_grad()
        assert found.shown is not None
        shown.append(found.shown["words"])
    assert shown[0] > math.log(VOCABULARY.first_audio_id) / 2
    assert shown[-1] < 0.5


def test_words_that_cannot_be_written_are_left_out() -> None:
    row = TrainingRow.of([AUDIO_START, VOCABULARY.first_audio_id, AUDIO_END], [5])
    assert with_words(row, VOCABULARY.encode_inner("猫"), [], VOCABULARY).heard == ()
    assert with_words(row, [], WORDS, VOCABULARY).heard == ()  # an answer without sound
