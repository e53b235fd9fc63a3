from __future__ import annotations

import pytest

from aqaa_eval.reports.difference import Comparison, compare_texts


def marked(comparison: Comparison) -> tuple[list[str], list[str]]:
    return (
        [span.text.strip() for span in comparison.reference if span.differs],
        [span.text.strip() for span in comparison.hypothesis if span.differs],
    )


def test_words_that_differ_are_marked_on_their_side() -> None:
    found = compare_texts(reference="We have four red apples.", hypothesis="we have for apples", language="en")
    assert marked(found) == (["four red"], ["for"])


def test_case_and_punctuation_do_not_count() -> None:
    assert compare_texts(reference="Yes, it is!", hypothesis="yes it is", language="en").is_equal


def test_a_language_without_spaces_is_compared_by_characters() -> None:
    found = compare_texts(reference="四个苹果。", hypothesis="四个苹国", language="zh")
    assert marked(found) == (["果。"], ["国"])


@pytest.mark.parametrize(
    ("reference", "hypothesis"), [("", ""), ("a", ""), ("", "a b"), ("  x  y ", "...! x"), ("。好", "")]
)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_stretches_give_the_texts_back(reference: str, hypothesis: str, language: str) -> None:
    found = compare_texts(reference=reference, hypothesis=hypothesis, language=language)
    assert "".join(span.text for span in found.reference) == reference
    assert "".join(span.text for span in found.hypothesis) == hypothesis


def test_an_endless_answer_is_shown_unmarked_rather_than_waited_for() -> None:
    found = compare_texts(reference="you " * 3000, hypothesis="a", language="en")
    assert found.is_equal
    assert len(found.reference) == 1
