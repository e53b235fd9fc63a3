"""One normaliser: what is the same word, and that asking costs no torch."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from aqaa_eval.metrics.normaliser import NORMALISER_VERSION, normalise, words


@pytest.mark.parametrize(
    ("left", "right", "language"),
    [
        ("Twenty-one colours, Mr. Lee!", "21 colors mister Lee", "en"),
        ("I won't, um, go.", "i will not go", "en-GB"),
        ("妳說甚麼?這裡!", "你说什么这里", "zh"),
        ("ＡＩは、１２３です。", "aiは123です", "ja"),
        ("¿Dónde está?", "dónde está", "es"),
    ],
)
def test_what_a_listener_cannot_tell_apart_is_equal(left: str, right: str, language: str) -> None:
    assert normalise(left, language=language) == normalise(right, language=language)


def test_words_that_sound_different_stay_different() -> None:
    assert normalise("the cat sat", language="en") != normalise("the cat sits", language="en")
    assert normalise("猫", language="ja") != normalise("犬", language="ja")


@pytest.mark.parametrize("language", ["en", "zh", "ja", "fr", ""])
def test_normalising_twice_changes_nothing_more(language: str) -> None:
    once = normalise("It's the 2nd colour: 二つの貓, déjà-vu; 100%!", language=language)
    assert normalise(once, language=language) == once


@pytest.mark.parametrize("language", ["en", "zh", "ja", "de", ""])
def test_punctuation_alone_holds_no_words(language: str) -> None:
    assert words("… ?! —", language=language) == []


def test_characters_are_counted_where_no_spaces_are_written() -> None:
    assert words("今日は 晴れ", language="ja") == list("今日は晴れ")
    assert words("guten Tag", language="de") == ["guten", "tag"]


def test_words_in_brackets_are_dropped_but_not_those_of_a_text_full_of_brackets() -> None:
    asides = "so (coughs) "
    assert normalise(asides * 1000, language="en") == " ".join(["so"] * 1000)
    assert normalise(asides * 1001, language="en") == " ".join(["so coughs"] * 1001)


def test_what_comes_out_never_changes_without_a_new_version() -> None:
    texts = (
        ("Twenty-one colours (coughs), Mr. Lee! I won't, um, pay $2.50 on the 3rd...", "en"),
        ("so (coughs) " * 1001, "en"),
        ("妳說甚麼?這裡 100%!", "zh-TW"),
        ("ＡＩは、１２３です。ﾃｽﾄ", "ja"),
        ("  Où est l'hôtel ? ¿Dónde?", "fr"),
    )
    forms = "\n".join(normalise(text, language=language) for text, language in texts)
    # A new hash means new forms, and new forms need a new version.
    assert (NORMALISER_VERSION, hashlib.sha256(forms.encode()).hexdigest()[:12]) == ("2", "e8f256dd6a6f")


def test_comparing_english_text_does_not_load_torch() -> None:
    code = (
        "import sys; from aqaa_eval.metrics.word_errors import count_word_errors;"
        "assert count_word_errors(reference='twelve', hypothesis='12', language='en').errors == 0;"
        "assert 'torch' not in sys.modules and 'whisper' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
