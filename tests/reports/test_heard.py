"""A transcript in pieces: every mark lies on its own letters, and nothing is lost."""

from __future__ import annotations

from aqaa_eval.core.attempt import Doubt, SecondHearing, Transcript, Word
from aqaa_eval.reports.difference import Span, compare_texts, plain
from aqaa_eval.reports.heard import Piece, pieces_of


def _words(*texts: str) -> tuple[Word, ...]:
    return tuple(
        Word(text=text, start_s=float(place), end_s=place + 0.5, confidence=0.9) for place, text in enumerate(texts)
    )


def _transcript(text: str, *words: str, doubts: tuple[Doubt, ...] = ()) -> Transcript:
    second = SecondHearing(asr="two", text="other", doubts=doubts) if doubts else None
    return Transcript(text=text, language="en", confidence=0.9, asr="one", words=_words(*words), second=second)


def _told(pieces: tuple[Piece, ...]) -> list[tuple[str, bool, int | None, int | None]]:
    return [(piece.text, piece.differs, piece.word, piece.doubt) for piece in pieces]


def test_every_word_is_a_piece_of_its_own_with_its_mark() -> None:
    text = "Two, two four."
    spans = compare_texts(reference="Two two is for.", hypothesis=text, language="en").hypothesis
    pieces = pieces_of(
        _transcript(text, "Two,", "two", "four.", doubts=(Doubt(start=9, end=13, instead="for"),)), spans
    )
    assert _told(pieces) == [
        ("Two,", False, 0, None),
        (" ", False, None, None),
        ("two", False, 1, None),
        (" ", False, None, None),
        ("four", True, 2, 0),
        (".", True, 2, None),
    ]


def test_a_word_that_the_text_does_not_hold_has_no_place_and_moves_no_other() -> None:
    pieces = pieces_of(_transcript("one three", "one", "two", "three"), plain("one three"))
    assert [(piece.text, piece.word) for piece in pieces] == [("one", 0), (" ", None), ("three", 2)]


def test_the_pieces_give_the_text_back_whatever_the_doubts_claim() -> None:
    text = "四个苹果。"
    doubts = (
        Doubt(start=-3, end=1, instead=""),
        Doubt(start=2, end=2, instead="x"),
        Doubt(start=4, end=99, instead=""),
    )
    pieces = pieces_of(_transcript(text, "四", "个苹", "果", doubts=doubts), (Span(text=text, differs=True),))
    assert "".join(piece.text for piece in pieces) == text
    assert {piece.doubt for piece in pieces} == {0, None, 2}


def test_nothing_heard_gives_no_pieces() -> None:
    assert pieces_of(_transcript(""), ()) == ()
