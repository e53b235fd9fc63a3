"""One text normaliser for the whole project: what counts as "the same words" in every error rate and check.

English goes through Whisper's own normaliser (numbers to digits, British to American spelling, contractions spelled
out, fillers dropped), as published Whisper error rates do. Chinese is folded to simplified characters, Japanese to
NFKC; both are compared by characters, because they write no spaces. All else is lower-cased and loses its punctuation.

Whisper's normaliser is pure Python, but `import whisper` brings torch along. So the sub-package is loaded from its
folder alone, and text can be compared in a tenth of a second without torch.
"""

from __future__ import annotations

import importlib.util
import sys
import unicodedata
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path

NORMALISER_VERSION = "2"
"""Raised whenever any text could come out differently; runs with different versions are not comparable.

2: lone punctuation is no word; the words of a text with more than 1,000 brackets are kept.
"""

CHARACTER_LANGUAGES = frozenset({"zh", "yue", "ja", "th", "lo", "my"})
"""Languages written without spaces between words: error rates count characters."""

_CHINESE = frozenset({"zh", "yue"})
_PRIVATE_PACKAGE = "_aqaa_eval_whisper_normalizers"

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
        return " ".join(word for word in _english()(_tamed(text)).split() if any(_is_spoken(char) for char in word))
    folded = unicodedata.normalize("NFKC", text).lower()
    if primary in _CHINESE:
        folded = _simplifier()(folded)
    if primary in CHARACTER_LANGUAGES:
        return "".join(char for char in folded if _is_spoken(char))
    return " ".join("".join(char if _is_spoken(char) else " " for char in folded).split())


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


def _is_spoken(char: str) -> bool:
    """Letters, digits and the marks on them; not punctuation (P), symbols (S), spaces (Z) or control codes (C)."""
    return unicodedata.category(char)[0] in "LNM"


@cache
def _english() -> Callable[[str], str]:
    found = importlib.util.find_spec("whisper")  # finds the folder; does not run the package
    if found is None or not found.submodule_search_locations:
        raise ImportError("English text is normalised by openai-whisper, which is not installed: pip install it")
    folder = Path(found.submodule_search_locations[0]) / "normalizers"
    spec = importlib.util.spec_from_file_location(
        _PRIVATE_PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"openai-whisper has no normaliser in {folder}; install openai-whisper 20250625 or later")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PRIVATE_PACKAGE] = module
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):  # its table is opened and not closed
        spec.loader.exec_module(module)
        normaliser: Callable[[str], str] = module.EnglishTextNormalizer()
    return normaliser


@cache
def _simplifier() -> Callable[[str], str]:
    import zhconv

    with warnings.catch_warnings(action="ignore", category=ResourceWarning):  # its table is opened and not closed
        zhconv.convert("", "zh-cn")
    return lambda text: str(zhconv.convert(text, "zh-cn"))
