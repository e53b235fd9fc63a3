"""One text normaliser for the whole project: what counts as "the same words" in every error rate and check.

English goes through Whisper's own normaliser (numbers to digits, British to American spelling, contractions spelled
out, fillers dropped), as published Whisper error rates do. Chinese is folded to simplified characters, Japanese to
NFKC; both are compared by characters, because they write no spaces. All else is lower-cased and loses its punctuation.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable
from functools import cache, lru_cache

from aqaa_eval.metrics.english import english

NORMALISER_VERSION = "2"
"""Raised whenever any text could come out differently; runs with different versions are not comparable.

2: lone punctuation is no word; the words of a text with more than 1,000 brackets are kept.
"""

CHARACTER_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "my"})
"""Languages written without spaces between words: error rates count characters."""

_CHINESE = frozenset({"zh", "yue"})

_BRACKETS, _MAX_BRACKETS = "<[(", 1_000


@lru_cache(maxsize=4096)
def normalise(text: str, *, language: str) -> str:
    """Fold away what a listener cannot hear: case, punctuation, spelling, script variant.

    Args:
        text: as written or transcribed.
        language: BCP-47 tag; only its primary part counts. "" or an unknown one gets the basic treatment.

    >>> normalise("The colour costs twenty-one dollars, Mr. Smith!", language="en")
    'the color costs $21 mister smith'
    >>> normalise("妳好，世界！", language="zh-TW")
    '你好世界'
    >>> normalise("ﾃｽﾄ、１２３。", language="ja")
    'テスト123'
    >>> normalise("  Où est l'hôtel ?", language="fr")
    'où est l hôtel'
    """
    primary = primary_tag(language)
    if primary == "en":
        # Whisper's normaliser lets lone dots and signs through ("..." becomes ".."): they are no words.
        return " ".join(word for word in english()(_tamed(text)).split() if _has_sound(word))
    folded = unicodedata.normalize("NFKC", text).lower()
    if primary in _CHINESE:
        folded = _simplifier()(folded)
    if primary in CHARACTER_LANGUAGES:
        return "".join(char for char in folded if _is_spoken(char))
    return " ".join(folded.translate(_SPACED).split())


def _tamed(text: str) -> str:
    r"""English as Whisper's normaliser can take it: its patterns take the square of runs of spaces and brackets.

    >>> _tamed("a  \n b"), _tamed("(" * 5000 + "a")
    ('a b', 'a')
    """
    single = " ".join(text.split())
    if sum(map(single.count, _BRACKETS)) > _MAX_BRACKETS:
        return single.translate(dict.fromkeys(map(ord, _BRACKETS)))
    return single


def words(text: str, *, language: str) -> list[str]:
    """The units that error rates count: normalised words, or characters where a language writes no spaces.

    >>> words("Don't panic.", language="en")
    ['do', 'not', 'panic']
    >>> words("三個蘋果", language="zh")
    ['三', '个', '苹', '果']
    """
    folded = normalise(text, language=language)
    return list(folded) if primary_tag(language) in CHARACTER_LANGUAGES else folded.split()


def primary_tag(language: str) -> str:
    """The language of a BCP-47 tag without script and region.

    >>> primary_tag("zh-Hant-TW"), primary_tag("EN_us"), primary_tag("")
    ('zh', 'en', '')
    """
    return language.replace("_", "-").split("-", 1)[0].lower()


def _has_sound(word: str) -> bool:
    return word.isalnum() or any(map(_is_spoken, word))


def _is_spoken(char: str) -> bool:
    """Letters, digits and the marks on them; not punctuation (P), symbols (S), spaces (Z) or control codes (C)."""
    return unicodedata.category(char)[0] in "LNM"


class _Spaces(dict[int, int]):
    """For `str.translate`: a space for every character that is not spoken."""

    def __missing__(self, code: int) -> int:
        self[code] = code if _is_spoken(chr(code)) else ord(" ")
        return self[code]


_SPACED = _Spaces()


@cache
def _simplifier() -> Callable[[str], str]:
    import zhconv

    with warnings.catch_warnings(action="ignore", category=ResourceWarning):  # its table is opened and not closed
        zhconv.convert("", "zh-cn")
    return lambda text: str(zhconv.convert(text, "zh-cn"))
