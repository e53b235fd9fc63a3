"""A transcript cut into pieces: where it differs from the model's own text, which word was said when, what is in doubt.

A piece never crosses the edge of a word, of a difference or of a doubt, so the page can mark each by itself.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from aqaa_eval.core.attempt import Doubt, Transcript, Word
from aqaa_eval.reports.difference import Span

_NEAR = 40  # characters that a word is looked for after the one before; further off it is another word


class Piece(NamedTuple):
    """A stretch of a transcript; of a run's hundreds of thousands, so as light as can be.

    Attributes:
        text: as it stands there; joined, the pieces give the transcript back.
        differs: true if the own text has nothing equal in its place.
        word: index of the word it belongs to, of those that have a time; None between words.
        doubt: index of the doubt it lies in; None if the recognisers agree.
    """

    text: str
    differs: bool
    word: int | None = None
    doubt: int | None = None


class _Stretch(NamedTuple):
    start: int
    end: int
    number: int


def pieces_of(transcript: Transcript, spans: Sequence[Span]) -> tuple[Piece, ...]:
    """Cut a transcript.

    Args:
        transcript: with or without times and doubts.
        spans: its text in stretches that differ from the own text or not.
    """
    text = transcript.text
    words = list(_placed(text, transcript.words))
    doubts = list(_within(text, transcript.second.doubts if transcript.second else ()))
    differing = list(_differing(spans))
    stretches = (*words, *doubts, *differing)
    cuts = sorted({0, len(text), *(cut.start for cut in stretches), *(cut.end for cut in stretches)})
    in_word, in_doubt, in_difference = (_by_start(cuts, found) for found in (words, doubts, differing))
    return tuple(
        Piece(text[start:end], start in in_difference, in_word.get(start), in_doubt.get(start))
        for start, end in pairwise(cuts)
    )


def _by_start(cuts: Sequence[int], stretches: Sequence[_Stretch]) -> dict[int, int]:
    """The stretch at each place where the text is cut, for the cuts within one; of two at one place the later."""
    found: dict[int, int] = {}
    for start, end, number in stretches:
        place = bisect_left(cuts, start)
        while cuts[place] < end:
            found[cuts[place]] = number
            place += 1
    return found


def _placed(text: str, words: Sequence[Word]) -> Iterator[_Stretch]:
    """Where each word stands in the text, in order; one that does not stand there has no place."""
    after = 0
    for index, word in enumerate(words):
        spoken = word.text.strip()
        start = text.find(spoken, after, after + len(spoken) + _NEAR) if spoken else -1
        if start >= 0:
            after = start + len(spoken)
            yield _Stretch(start=start, end=after, number=index)


def _within(text: str, doubts: Sequence[Doubt]) -> Iterator[_Stretch]:
    """Doubts that cover words; where only the second recogniser heard something there is nothing to mark."""
    for index, doubt in enumerate(doubts):
        start, end = max(0, doubt.start), min(len(text), doubt.end)
        if start < end:
            yield _Stretch(start=start, end=end, number=index)


def _differing(spans: Sequence[Span]) -> Iterator[_Stretch]:
    start = 0
    for index, span in enumerate(spans):
        end = start + len(span.text)
        if span.differs:
            yield _Stretch(start=start, end=end, number=index)
        start = end
