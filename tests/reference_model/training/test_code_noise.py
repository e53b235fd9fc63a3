"""Changed codes: in questions only, for neighbours only, as many as asked, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aqaa_eval.reference_model.config import tiny
from aqaa_eval.reference_model.model import random_model
from aqaa_eval.reference_model.training.code_noise import N_NEIGHBOURS, CodeNoise, nearest
from aqaa_eval.reference_model.training.rows import TrainingRow
from aqaa_eval.reference_model.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def tokenizer():
    return random_model(tiny(), 1).tokenizer


@pytest.fixture(scope="module")
def row() -> TrainingRow:
    vocabulary = Vocabulary.tiny()
    rng = np.random.default_rng(0)
    question = [*rng.integers(vocabulary.first_audio_id, vocabulary.size, size=4000).tolist(), 70, 71]
    answer = [72, *rng.integers(vocabulary.first_audio_id, vocabulary.size, size=50).tolist()]
    return TrainingRow(ids=(*question, *answer), loss=(False,) * len(question) + (True,) * len(answer))


def test_only_codes_of_the_question_change_and_as_many_as_asked(tokenizer, row):
    vocabulary = Vocabulary.tiny()
    [changed] = CodeNoise(tokenizer, vocabulary, 0.2)([row], 5)
    places = [place for place, (old, new) in enumerate(zip(row.ids, changed.ids, strict=True)) if old != new]
    assert 0.17 < len(places) / 4000 < 0.23
    assert max(places) < 4000
    assert changed.loss == row.loss


def test_a_code_becomes_a_neighbour_in_its_own_codebook(tokenizer, row):
    vocabulary = Vocabulary.tiny()
    [changed] = CodeNoise(tokenizer, vocabulary, 1.0)([row], 5)
    books = (
        (vocabulary.first_audio_id, tokenizer.codebook),
        (vocabulary.first_semantic_id, tokenizer.semantic.quantizer._codebook.embed),
    )
    for old, new in list(zip(row.ids, changed.ids, strict=True))[:200]:
        first, codes = books[old >= vocabulary.first_semantic_id]
        distances = (codes - codes[old - first]).norm(dim=1)
        assert new != old
        assert (distances < distances[new - first]).sum() <= N_NEIGHBOURS + 1


def test_the_same_seed_changes_the_same_codes_and_no_share_none(tokenizer, row):
    noise = CodeNoise(tokenizer, Vocabulary.tiny(), 0.5)
    assert noise([row], 1) == noise([row], 1)
    assert noise([row], 1) != noise([row], 2)
    assert CodeNoise(tokenizer, Vocabulary.tiny(), 0.0)([row], 1) == [row]


def test_a_share_beyond_all_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"share \(1.5\) of changed codes must lie within 0 and 1"):
        CodeNoise(tokenizer, Vocabulary.tiny(), 1.5)


def test_two_codes_are_each_others_neighbours():
    assert nearest(torch.tensor([[0.0], [1.0]]), 12).tolist() == [[1], [0]]
