"""Which words of two texts differ, for marking them; error rates are computed elsewhere, on normalised text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise

from aqaa_eval.metrics.normaliser import CHARACTER_LANGUAGES, primary_tag

_MAX_TOKENS = 2000  # matching takes quadratic time; a looping answer must not hold the page up


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of a text.

    Attributes:
        text: as it stands there.
        differs: true if the other text has nothing equal in its place.
    """

    text: str
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two texts in stretches; each joined gives the text back."""

    reference: tuple[Span, ...]
    hypothesis: tuple[Span, ...]

    @property
    def is_equal(self) -> bool:
        """True if nothing is marked."""
        return not any(span.differs for span in self.reference + self.hypothesis)


def compare_texts(*, reference: str, hypothesis: str, language: str) -> Comparison:
    """Mark the words (characters where a language writes no spaces) that differ; case and punctuation do not count.

    >>> found = compare_texts(reference="Two and two.", hypothesis="two or two", language="en")
    >>> [span.text for span in found.reference if span.differs]
    ['and ']
    """
    left, right = _tokens(reference, language), _tokens(hypothesis, language)
    if max(len(left), len(right)) > _MAX_TOKENS:
        return Comparison(reference=plain(reference), hypothesis=plain(hypothesis))
    keys_left, keys_right = [_key(token) for token in left], [_key(token) for token in right]
    if keys_left == keys_right:
        return Comparison(reference=plain(reference), hypothesis=plain(hypothesis))
    matcher = SequenceMatcher(None, keys_left, keys_right, autojunk=False)
    marks_left, marks_right = [True] * len(left), [True] * len(right)
    for block in matcher.get_matching_blocks():
        marks_left[block.a : block.a + block.size] = [False] * block.size
        marks_right[block.b : block.b + block.size] = [False] * block.size
    return Comparison(reference=_spans(left, marks_left), hypothesis=_spans(right, marks_right))


def plain(text: str) -> tuple[Span, ...]:
    """The text unmarked."""
    return (Span(text=text, differs=False),) if text else ()


def _tokens(text: str, language: str) -> list[str]:
    """Pieces that joined give the text back, each with the space and punctuation after it."""
    if primary_tag(language) in CHARACTER_LANGUAGES:
        return re.findall(r"\w\W*|^\W+", text)
    return re.findall(r"\S+\s*|^\s+", text)


@lru_cache(maxsize=1 << 14)
def _key(token: str) -> str:
    folded = unicodedata.normalize("NFKC", token).casefold()
    return "".join(char for char in folded if char.isalnum())


def _spans(tokens: Sequence[str], marks: Sequence[bool]) -> tuple[Span, ...]:
    """Neighbours of equal mark as one stretch; a token without letters is never marked."""
    differ = [mark and bool(_key(token)) for token, mark in zip(tokens, marks, strict=True)]
    turns = [place for place in range(1, len(tokens)) if differ[place] is not differ[place - 1]]
    edges = [0, *turns, len(tokens)] if tokens else []
    return tuple(Span(text="".join(tokens[start:end]), differs=differ[start]) for start, end in pairwise(edges))
