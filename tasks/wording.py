"""How an answer's text is cut: words, clauses, sentences, numbers. What the text checks are made of."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from aqaa_eval.core.audio import Audio
from aqaa_eval.core.checking import Heard
from aqaa_eval.metrics.answer_language import script_language
from aqaa_eval.metrics.normaliser import CHARACTER_LANGUAGES, normalise, primary_tag, words

_CLAUSE_END = re.compile(r"(?<![.,;:!?])[.,;:!?]++(?=\s|$)|[。、，；：！？…]+|\n+|\s[-–—]+\s|—")
_SENTENCE_END = re.compile(r"(?<![.!?])[.!?]++[\"”’)]*(?=\s|$)|[。！？]+[」』]?|\n+")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|vs|etc|[A-Z])\.$")


def said(text: str, language: str = "en", previous: Heard | None = None) -> Heard:
    """An answer of which only the words matter, for checks of text.

    >>> said("Hello.").text
    'Hello.'
    """
    silence = Audio(samples=np.zeros(1, np.float32), sample_rate_hz=16_000)
    return Heard(text=text, language=language, audio=silence, previous=previous)


def language_of(heard: Heard) -> str:
    """Language to normalise an answer in: what was heard, or what the script tells.

    >>> language_of(said("はい、そうです。", language=""))
    'ja'
    """
    return primary_tag(heard.language) or script_language(heard.text) or "en"


def holds(text: str, phrase: str, *, language: str) -> bool:
    """Whether a phrase is said as whole words (as a run of characters where a language writes no spaces).

    >>> holds("I'd say twelve.", "12", language="en"), holds("a carpet", "car", language="en")
    (True, False)
    >>> holds("答えは東京です", "東京", language="ja")
    True
    """
    if primary_tag(language) in CHARACTER_LANGUAGES:
        return normalise(phrase, language=language) in normalise(text, language=language)
    return f" {normalise(phrase, language=language)} " in f" {normalise(text, language=language)} "


def clauses(text: str) -> list[str]:
    """The text between marks of punctuation, without the empty ones.

    >>> clauses("Five, four: three! 3.5 is left.")
    ['Five', 'four', 'three', '3.5 is left']
    """
    return [part.strip() for part in _CLAUSE_END.split(text) if part.strip()]


def sentences(text: str) -> list[str]:
    """The sentences, by their end marks; an abbreviation does not end one.

    >>> sentences("I met Dr. Smith. He was well! And you?")
    ['I met Dr. Smith.', 'He was well!', 'And you?']
    """
    ends = [match.end() for match in _SENTENCE_END.finditer(text) if not _ABBREVIATION.search(text[: match.end()])]
    parts = (text[start:end].strip() for start, end in pairwise([0, *ends, len(text)]))
    return [part for part in parts if any(char.isalnum() for char in part)]


def tokens(text: str) -> list[str]:
    """The words as written, without marks around them; hyphens and apostrophes stay inside.

    >>> tokens("Well-known? Don't, 3.5!")
    ['Well-known', "Don't", '3.5']
    """
    stripped = (re.sub(r"^\W+|\W+$", "", part) for part in text.split())
    return [part for part in stripped if part]


def word_counts(text: str, *, language: str) -> tuple[int, ...]:
    """How many words there are: as written and as normalised ("it's" is one or two), characters in ja and zh.

    >>> word_counts("It's fine.", language="en")
    (2, 3)
    """
    normalised = len(words(text, language=language))
    if primary_tag(language) in CHARACTER_LANGUAGES:
        return (normalised,)
    return tuple(sorted({len(tokens(text)), normalised}))


def letters(text: str) -> str:
    """Letters and digits alone, small.

    >>> letters("Never odd, or even!")
    'neveroddoreven'
    """
    return "".join(char for char in text.lower() if char.isalnum())
