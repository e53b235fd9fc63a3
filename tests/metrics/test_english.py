"""English is folded as Whisper's own normaliser folds it, whatever the text."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aqaa_eval.metrics import english as module
from aqaa_eval.tasks.suite import BUNDLED, bundled_suite

N_TEXTS = 300


@cache
def whispers() -> Any:
    """Whisper's normaliser as it is."""
    return module.load_whispers("_whispers_normalizers_as_they_are")


@cache
def vocabulary() -> list[str]:
    """Every word and sign that it treats in a way of its own, and what may stand around them."""
    whisper = whispers()
    contractions = [pattern.replace(r"\b", "") for pattern in whisper.replacers]
    numbers = sorted(whisper.standardize_numbers.words)
    fillers = ["hmm", "um", "a half", "and a half", "colour", "theatre", "cat", "Größe", "déjà", "x", "I", "we", "n"]
    digits = [
        "0",
        "1",
        "6",
        "42",
        "9" * 17,
        "1s",
        "2nd",
        "th",
        "3 rd",
        "07",
        "1,000",
        "3.5",
        ".5",
        "5.",
        "20%",
        "$5",
        "-4",
        "b2",
        "2b",
        "¢7",
        "٣",
    ]
    signs = [" ", "'", " '", "-", "...", "(", ")", "[", "]", "<", ">", "$", "£", "%", "’", ",", "?", "/", "_", ". "]
    return contractions + numbers + fillers + digits + signs


@settings(max_examples=N_TEXTS, deadline=None)
@given(parts=st.lists(st.tuples(st.sampled_from(vocabulary()), st.sampled_from(["", " "])), max_size=12))
@example(parts=[("n", " "), ("um", " "), ("'t", "")])
@example(parts=[("5.", " "), ("th", "")])
@example(parts=[("m", ""), ("[", ""), ("x", ""), ("]", ""), ("r", "")])
def test_texts_of_its_own_words_come_out_alike(parts: list[tuple[str, str]]) -> None:
    text = " ".join("".join(word + space for word, space in parts).split())
    try:
        expected = whispers()(text)
    except Exception as error:  # some texts break it: here, too
        with pytest.raises(type(error)):
            module.english()(text)
        return
    assert module.english()(text).split() == expected.split()


@settings(max_examples=N_TEXTS, deadline=None)
@given(text=st.text(max_size=60))
@example(text="0¤Þ%")
@example(text="cat and a half%")
def test_any_other_text_comes_out_alike(text: str) -> None:
    single = " ".join(text.split())
    assert module.english()(single).split() == whispers()(single).split()


def test_the_words_of_the_bundled_suites_come_out_alike() -> None:
    texts = {
        text
        for name in BUNDLED
        for sample in bundled_suite(name).samples()
        for turn in sample.turns
        for text in (turn.text, turn.reference or "", turn.rubric or "")
    }
    assert len(texts) > 1_000
    for text in texts:
        single = " ".join(text.split())
        assert module.english()(single).split() == whispers()(single).split()


def test_the_installed_normaliser_holds_only_what_the_shortcut_understands() -> None:
    assert all(module._literal_of(pattern) for pattern in whispers().replacers)
