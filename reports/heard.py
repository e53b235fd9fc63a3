"""A transcript cut into pieces: where it differs from the model's own text, which word was said when, what is in doubt.

A piece never crosses the edge of a word, of a difference or of a doubt, so the page can mark each by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aqaa_eval.core.attempt import Doubt, Transcript, Word
from aqaa_eval.reports.difference import Span

_NEAR = 40  # characters that a word is looked for after the one before; further off it is another word


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of a transcript.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    start: int
    end: int
    index: int


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
    edges = {0, len(text)}
    for stretch in (*words, *doubts, *differing):
        edges |= {stretch.start, stretch.end}
    cuts = sorted(edges)
    in_word, in_doubt, in_difference = (_Cursor(found) for found in (words, doubts, differing))
    return tuple(
        Piece(
            text=text[start:end],
            differs=in_difference.at(start) is not None,
            word=in_word.at(start),
            doubt=in_doubt.at(start),
        )
        for start, end in pairwise(cuts)
    )


class _Cursor:
    """Tells the stretch at a place, asked from left to right."""

    def __init__(self, stretches: Sequence[_Stretch]) -> None:
        self._left = sorted(stretches, key=lambda stretch: stretch.start, reverse=True)

    def at(self, place: int) -> int | None:
        while self._left and self._left[-1].end <= place:
            self._left.pop()
        return self._left[-1].index if self._left and self._left[-1].start <= place else None


def _placed(text: str, words: Sequence[Word]) -> Iterator[_Stretch]:
    """Where each word stands in the text, in order; one that does not stand there has no place."""
    after = 0
    for index, word in enumerate(words):
        spoken = word.text.strip()
        start = text.find(spoken, after, after + len(spoken) + _NEAR) if spoken else -1
        if start >= 0:
            after = start + len(spoken)
            yield _Stretch(start=start, end=after, index=index)


def _within(text: str, doubts: Sequence[Doubt]) -> Iterator[_Stretch]:
    """Doubts that cover words; where only the second recogniser heard something there is nothing to mark."""
    for index, doubt in enumerate(doubts):
        start, end = max(0, doubt.start), min(len(text), doubt.end)
        if start < end:
            yield _Stretch(start=start, end=end, index=index)


def _differing(spans: Sequence[Span]) -> Iterator[_Stretch]:
    start = 0
    for index, span in enumerate(spans):
        end = start + len(span.text)
        if span.differs:
            yield _Stretch(start=start, end=end, index=index)
        start = end
