"""Error rates: worked by hand, against jiwer, and their properties."""

from __future__ import annotations

import random

import jiwer
import pytest

from aqaa_eval.metrics.word_errors import WordErrors, count_word_errors


def test_each_kind_of_error_is_counted() -> None:
    # reference: the big dog ran home / hypothesis: the dog walked home now -> -big, ran>walked, +now
    found = count_word_errors(reference="The big dog ran home.", hypothesis="the dog walked home now", language="en")
    assert found == WordErrors(substitutions=1, deletions=1, insertions=1, n_reference=5)
    assert found.rate == pytest.approx(3 / 5)


def test_chinese_and_japanese_are_counted_by_characters() -> None:
    assert count_word_errors(reference="三個蘋果", hypothesis="三个苹", language="zh").rate == pytest.approx(1 / 4)
    assert count_word_errors(reference="猫が好き", hypothesis="犬が好き", language="ja").rate == pytest.approx(1 / 4)


def test_an_empty_reference_has_no_rate_and_keeps_its_insertions() -> None:
    found = count_word_errors(reference="...", hypothesis="thank you", language="en")
    assert found == WordErrors(substitutions=0, deletions=0, insertions=2, n_reference=0)
    assert found.rate is None


def test_an_unheard_sentence_is_all_deletions() -> None:
    assert count_word_errors(reference="one big dog", hypothesis="", language="en").rate == 1.0


def test_pooling_adds_counts_and_not_rates() -> None:
    short = WordErrors(substitutions=1, deletions=0, insertions=0, n_reference=1)
    long = WordErrors(substitutions=0, deletions=1, insertions=0, n_reference=9)
    assert (short + long).rate == pytest.approx(0.2)


def test_random_sentences_agree_with_jiwer() -> None:
    rng = random.Random(7)
    vocabulary = ["red", "green", "blue", "dog", "house", "tree", "river", "stone"]
    for _ in range(50):
        reference = " ".join(rng.choices(vocabulary, k=rng.randint(1, 12)))
        hypothesis = " ".join(rng.choices(vocabulary, k=rng.randint(1, 12)))
        ours = count_word_errors(reference=reference, hypothesis=hypothesis, language="en")
        assert ours.rate == pytest.approx(jiwer.wer(reference, hypothesis))
        assert count_word_errors(reference=reference, hypothesis=reference, language="en").errors == 0
