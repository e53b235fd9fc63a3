"""Two ears: a second recogniser marks the words that should not be built on.

One recogniser's mistakes look like the model's. Where two that were made differently hear the same, the word was most
probably said; where they differ, a judge is told that the word is uncertain. The first ear's transcript stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from aqaa_eval.core.attempt import Doubt, SecondHearing, Transcript
from aqaa_eval.core.protocols import Clip, Transcriber
from aqaa_eval.metrics.normaliser import CHARACTER_LANGUAGES, normalise, primary_tag

MAX_PAIRS = 400  # stretches that differ for longer are not looked into


class TwoEars:
    """The first ear's transcripts, with the second one's doubts."""

    def __init__(self, first: Transcriber, second: Transcriber) -> None:
        self._first = first
        self._second = second

    @property
    def identity(self) -> str:
        """Such as "whisper:base@3cca563f+vad+2 & faster-whisper:tiny.en@3e3306f6-int8+vad+2"."""
        return f"{self._first.identity} & {self._second.identity}"

    @property
    def languages(self) -> tuple[str, ...]:
        """Those of the first ear."""
        return tuple(getattr(self._first, "languages", ()))

    @property
    def batch(self) -> int:
        """That of the ear that likes the larger ones."""
        return max(int(getattr(ear, "batch", 1)) for ear in (self._first, self._second))

    def transcribe(self, clips: Sequence[Clip]) -> list[Transcript]:
        """The second ear hears what the first found words in, told its language, if it knows that language.

        Raises:
            Exception: either ear cannot be had; a transcript without the asked doubts would look sure.
        """
        heard = self._first.transcribe(clips)
        known = tuple(getattr(self._second, "languages", ()))
        picked = [
            index
            for index, transcript in enumerate(heard)
            if transcript.text and (not known or primary_tag(transcript.language) in known)
        ]
        again = self._second.transcribe(
            [replace(clips[index], language=heard[index].language or clips[index].language) for index in picked]
        )
        for index, second in zip(picked, again, strict=True):
            first = heard[index]
            doubts = find_doubts(first.text, second.text, language=first.language)
            hearing = SecondHearing(asr=second.asr, text=second.text, doubts=doubts)
            heard[index] = replace(first, second=hearing)
        return heard


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """One word of a text (one character where a language writes no spaces) with its place."""

    start: int
    end: int
    plain: str


def find_doubts(text: str, other: str, *, language: str) -> tuple[Doubt, ...]:
    """Where another transcript of the same sound says something else; spelling and number words do not count.

    Args:
        text: the transcript to be marked.
        other: what the second recogniser heard.
        language: of both.

    >>> find_doubts("It is twenty one, Mary.", "it is 21 merry", language="en")
    (Doubt(start=18, end=22, instead='merry'),)
    >>> find_doubts("Yes please.", "Yes, oh please.", language="en")
    (Doubt(start=4, end=4, instead='oh'),)
    >>> find_doubts("我想吃蘋果", "我想吃苹果", language="zh"), find_doubts("我想吃苹果", "我要吃苹果", language="zh")
    ((), (Doubt(start=1, end=2, instead='要'),))
    """
    here, there = _units(text, language), _units(other, language)
    pair = _Pair(text=text, other=other, language=language, here=here, there=there)
    blocks = SequenceMatcher(None, [u.plain for u in here], [u.plain for u in there], autojunk=False).get_opcodes()
    stretches = [pair.without_equal_ends(*block) for kind, *block in blocks if kind != "equal"]
    return tuple(doubt for stretch in stretches if (doubt := pair.doubt(*stretch)) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two transcripts of one sound; a stretch is (first, last) of the units of the one, then of the other."""

    text: str
    other: str
    language: str
    here: Sequence[_Unit]
    there: Sequence[_Unit]

    def says(self, first: int, last: int, other_first: int, other_last: int) -> tuple[str, str]:
        mine = slice(*_place(self.here, first, last, end_of_text=len(self.text)))
        theirs = slice(*_place(self.there, other_first, other_last, end_of_text=len(self.other)))
        return self.text[mine], self.other[theirs]

    def is_equal(self, *stretch: int) -> bool:
        mine, theirs = self.says(*stretch)
        return normalise(mine, language=self.language) == normalise(theirs, language=self.language)

    def without_equal_ends(self, first: int, last: int, other_first: int, other_last: int) -> tuple[int, int, int, int]:
        """Take off what is equal only as a whole, such as "twenty one" and "21", from both ends of a stretch."""
        if (last - first) * (other_last - other_first) > MAX_PAIRS:
            return first, last, other_first, other_last
        sizes = [(n, m) for n in range(last - first, 0, -1) for m in range(other_last - other_first, 0, -1)]
        for n, m in sizes:
            if self.is_equal(first, first + n, other_first, other_first + m):
                return first + n, last, other_first + m, other_last
        for n, m in sizes:
            if self.is_equal(last - n, last, other_last - m, other_last):
                return first, last - n, other_first, other_last - m
        return first, last, other_first, other_last

    def doubt(self, first: int, last: int, other_first: int, other_last: int) -> Doubt | None:
        if self.is_equal(first, last, other_first, other_last):
            return None
        start, end = _place(self.here, first, last, end_of_text=len(self.text))
        _, theirs = self.says(first, last, other_first, other_last)
        return Doubt(start=start, end=end, instead=theirs.strip(" ,.!?;:、。！？，"))


def _units(text: str, language: str) -> list[_Unit]:
    if primary_tag(language) in CHARACTER_LANGUAGES:
        return [
            _Unit(start=index, end=index + 1, plain=folded)
            for index, char in enumerate(text)
            if (folded := normalise(char, language=language))
        ]
    units, start = [], 0
    for word in text.split():
        start = text.index(word, start)
        # English words are folded one by one, so that "colour" and "color" meet; numbers are compared as stretches.
        plain = normalise(word, language=language)
        if plain:
            units.append(_Unit(start=start, end=start + len(word.rstrip(",.!?;:…\"'")), plain=plain))
        start += len(word)
    return units


def _place(units: Sequence[_Unit], first: int, last: int, *, end_of_text: int) -> tuple[int, int]:
    """First and last character of some units; for none, the place before the next one."""
    if last > first:
        return units[first].start, units[last - 1].end
    start = units[first].start if first < len(units) else end_of_text
    return start, start
