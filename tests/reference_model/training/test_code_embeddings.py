"""Codes that sound alike start close to each other; text rows are left alone."""

from __future__ import annotations

import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.model import random_backbone
from aqaa_eval.reference_model.tokenizer.dual import DualTokenizer
from aqaa_eval.reference_model.training.code_embeddings import SCALE, place_codes_by_sound, projected
from aqaa_eval.reference_model.vocabulary import Vocabulary


def test_neighbours_among_codes_become_neighbours_among_rows():
    vocabulary = Vocabulary.tiny()
    tokenizer = DualTokenizer.random(tiny(), 0)
    backbone = random_backbone(tiny(), 0)
    before = backbone.model.embed_tokens.weight.clone()
    place_codes_by_sound(backbone, tokenizer, vocabulary)
    for rows in (backbone.model.embed_tokens.weight, backbone.lm_head.weight):
        coded = rows[vocabulary.first_audio_id : vocabulary.first_audio_id + 1024]
        apart = torch.cdist(coded, coded).flatten()
        truly_apart = torch.cdist(tokenizer.codebook, tokenizer.codebook).flatten()
        assert torch.corrcoef(torch.stack([apart, truly_apart]))[0, 1] > 0.7
    first = vocabulary.first_audio_id
    assert torch.equal(backbone.model.embed_tokens.weight[:first], before[:first])
    assert not torch.equal(backbone.model.embed_tokens.weight[first:], before[first:])


def test_rows_have_the_scale_of_all_others():
    rows = projected(torch.randn(500, 64) * 7 + 3, 192, torch.Generator().manual_seed(0))
    assert rows.shape == (500, 192)
    assert abs(rows.std().item() / SCALE - 1) < 0.1
    assert rows.mean().abs().item() < SCALE / 10
