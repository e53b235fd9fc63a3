"""English as Whisper's normaliser folds it, to the character, in a third of its time.

Whisper's normaliser is pure Python, but `import whisper` brings torch along. So the sub-package is loaded from its
folder alone, and text can be compared in a tenth of a second without torch.

It tries 53 contractions and titles on every text, and looks for numbers in every word. Here its own steps are taken in
its own order, but those that can find nothing are left out; a test compares the two.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

_PRIVATE_PACKAGE = "_aqaa_eval_whisper_normalizers"
_BRACKETS = "<[("
_DIGIT = re.compile(r"\d")
_WHOLE_NUMBER = re.compile(r"[02-9]|[1-9][0-9]{1,15}")
"""What is written with digits already; but not 1, which is written out."""
_ACROSS_WORDS = re.compile(r"[0-9]\s+(?:st|nd|rd|th|s)\b|\bhalf\b")
"""What it reads over a space: an ending apart from its number, even before a sign (0 th%); "and a half"."""


@cache
def english() -> Callable[[str], str]:
    """The normaliser: takes a text without runs of white space.

    Raises:
        ImportError: openai-whisper is not installed, or has no normaliser.
    """
    whisper = load_whispers(_PRIVATE_PACKAGE)
    replacers = tuple((_literal_of(pattern), pattern, words) for pattern, words in whisper.replacers.items())
    whisper.standardize_numbers = _only_where_there_are_numbers(whisper.standardize_numbers)
    parts = sys.modules[type(whisper).__module__]  # loaded for this place alone
    parts.remove_symbols_and_diacritics = _by_table(parts.remove_symbols_and_diacritics)  # type: ignore[attr-defined]
    parts.re = _Patterns()  # type: ignore[attr-defined]

    def fold(text: str) -> str:
        one = object.__new__(type(whisper))  # a cheap copy: several threads fold texts
        one.__dict__.update(whisper.__dict__)
        one.replacers = _that_may_match(text.lower(), replacers)
        folded: str = one(text)
        return folded

    return fold


class _Patterns(dict[str, re.Pattern[str]]):
    """Stands for the module `re`: its functions look every pattern up by type and flags, in as long as they match."""

    def __missing__(self, pattern: str) -> re.Pattern[str]:
        self[pattern] = re.compile(pattern)
        return self[pattern]

    def sub(self, pattern: str, new: str | Callable[[re.Match[str]], str], text: str) -> str:
        return self[pattern].sub(new, text)

    def match(self, pattern: str, text: str) -> re.Match[str] | None:
        return self[pattern].match(text)

    def split(self, pattern: str, text: str) -> list[str | Any]:
        return self[pattern].split(text)


def _literal_of(pattern: str) -> str:
    r"""What a text must hold for a pattern to match; "" if that cannot be told.

    >>> _literal_of(r"\bmr\b"), _literal_of(r"'s got\b"), _literal_of(r"a|b")
    ('mr', "'s got", '')
    """
    literal = pattern.replace(r"\b", "")
    return literal if literal == re.escape(literal).replace(r"\ ", " ") else ""


def _that_may_match(text: str, replacers: tuple[tuple[str, str, str], ...]) -> dict[str, str]:
    # Words in brackets are dropped first, and a space before an apostrophe: what was apart may then stand together.
    joins, has_apostrophe = any(map(text.__contains__, _BRACKETS)), "'" in text
    return {
        pattern: words
        for literal, pattern, words in replacers
        if joins or literal in text or (has_apostrophe and "'" in literal)
    }


def _only_where_there_are_numbers(numbers: Any) -> Callable[[str], str]:
    """Whisper's reading of numbers, for texts that have one of its words, or digits that it would change."""
    # "and" alone changes nothing, and almost every answer has one.
    vocabulary = numbers.words - {"and"}

    def standardize(text: str) -> str:
        words = text.split()
        has_none = vocabulary.isdisjoint(words) and not _ACROSS_WORDS.search(text)
        if has_none and (not _DIGIT.search(text) or all(map(_is_left_alone, words))):
            return " ".join(words)
        standardized: str = numbers(text)
        return standardized

    return standardize


def _is_left_alone(word: str) -> bool:
    return not _DIGIT.search(word) or _WHOLE_NUMBER.fullmatch(word) is not None


def _by_table(clean: Callable[..., str]) -> Callable[..., str]:
    """Whisper's dropping of signs and accents; of ASCII, which has none to be taken apart, by a table."""
    tables: dict[str, dict[int, str]] = {}

    def cleaned(text: str, keep: str = "") -> str:
        if not text.isascii():
            return clean(text, keep=keep)
        if keep not in tables:
            tables[keep] = {code: clean(chr(code), keep=keep) for code in range(128)}
        return text.translate(tables[keep])

    return cleaned


def load_whispers(package: str) -> Any:
    """Whisper's own normaliser, in a module of that name that no one else has."""
    found = importlib.util.find_spec("whisper")  # finds the folder; does not run the package
    if found is None or not found.submodule_search_locations:
        raise ImportError("English text is normalised by openai-whisper, which is not installed: pip install it")
    folder = Path(found.submodule_search_locations[0]) / "normalizers"
    spec = importlib.util.spec_from_file_location(
        package, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"openai-whisper has no normaliser in {folder}; install openai-whisper 20250625 or later")
    module = importlib.util.module_from_spec(spec)
    sys.modules[package] = module
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):  # its table is opened and not closed
        spec.loader.exec_module(module)
        return module.EnglishTextNormalizer()
