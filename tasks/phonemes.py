"""Rhyme, by sound and not by spelling: two words rhyme from the last stressed vowel on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

_STRESS = "ˈˌ"
_VOWELS = frozenset("AIOQWYiuaeoɑɒɔəɚɛɜɪʊʌæɐᵊᵻ")


def rhymes(one: str, other: str) -> bool:
    """Whether two English words rhyme; a word does not rhyme with itself.

    >>> rhymes("blue", "you")
    True
    >>> rhymes("moon", "June"), rhymes("night", "kite"), rhymes("love", "move"), rhymes("cat", "cat")
    (True, True, False, False)
    """
    if one.lower() == other.lower():
        return False
    return rhyme_of(one) == rhyme_of(other) != ""


@cache
def rhyme_of(word: str) -> str:
    """The sounds of a word from its last stressed vowel on; "" for what has no sound.

    Raises:
        ImportError: hibari-tts, whose lexicon is used, is not installed.

    >>> rhyme_of("station") == rhyme_of("nation")
    True
    """
    phonemes = _english()(word)
    stress = max(phonemes.rfind(mark) for mark in _STRESS)
    # A small word such as "you" has no stress of its own; at the end of a line its vowel bears it.
    start = next((index for index in range(stress + 1, len(phonemes)) if phonemes[index] in _VOWELS), len(phonemes))
    return "".join(char for char in phonemes[start:] if char.isalpha())


@cache
def _english() -> Callable[[str], str]:
    try:
        from hibari.g2p import G2P
    except ImportError as error:
        raise ImportError("rhymes are told by hibari's lexicon, which is missing: pip install hibari-tts") from error
    convert: Callable[[str], str] = G2P(british=False)
    return convert
