"""Checks of what is said: numbers, words, counts, beginnings and ends. They read the transcript alone.

Words are compared after normalisation (case, spelling, "twelve" and "12"), so an answer is not failed for how the
recogniser writes it. Counts have no tolerance: who is asked for five words says five.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.metrics.normaliser import words
from aqaa_eval.metrics.word_errors import count_word_errors
from aqaa_eval.tasks.languages import guess_language
from aqaa_eval.tasks.numbers import numbers_in
from aqaa_eval.tasks.wording import holds, language_of, letters, sentences, tokens, word_counts

_BETWEEN_ITEMS = re.compile(r"[,;.!?、，。；！？]+|\b(?:and|or|y|et|und)\b|和|と", re.IGNORECASE)
_QUESTION_MARKS = ("?", "？")


def says_number(heard: Heard, *, value: float) -> CheckOutcome:
    """The number is said, in digits or in words.

    >>> from aqaa_eval.tasks.wording import said
    >>> says_number(said("That makes twelve."), value=12)
    CheckOutcome(passed=True, measured='said 12; 12 asked')
    """
    found = numbers_in(heard.text, language=language_of(heard))
    listed = ", ".join(f"{number:g}" for number in found) or "no number"
    return CheckOutcome(
        passed=any(abs(number - value) < 1e-9 for number in found), measured=f"said {listed}; {value:g} asked"
    )


def says_one_of(
    heard: Heard, *, words: Sequence[str], but_not: Sequence[str] = (), at_most_words: int | None = None
) -> CheckOutcome:
    """At least one of the words or phrases is said, and none of the wrong ones, in no more than so many words.

    The two limits tell an answer from the question said back: "a man or a woman?" names both.

    >>> from aqaa_eval.tasks.wording import said
    >>> says_one_of(said("A man."), words=("man", "male"), but_not=("woman",))
    CheckOutcome(passed=True, measured="said 'man'; one of 'man', 'male' but not 'woman' asked")
    """
    found = _found(heard, words)
    limits = _limits(heard, but_not, at_most_words)
    return _within(limits, bool(found), f"said {_list(found)}", f"one of {_list(words)}")


def says_all_of(
    heard: Heard, *, words: Sequence[str], but_not: Sequence[str] = (), at_most_words: int | None = None
) -> CheckOutcome:
    """Every one of the words or phrases is said, within the limits.

    >>> from aqaa_eval.tasks.wording import said
    >>> says_all_of(said("Red and blue."), words=("red", "green"))
    CheckOutcome(passed=False, measured="not said: 'green'; all of 'red', 'green' asked")
    """
    missing = [word for word in words if word not in _found(heard, words)]
    told = f"not said: {_list(missing)}" if missing else "all said"
    return _within(_limits(heard, but_not, at_most_words), not missing, told, f"all of {_list(words)}")


def says_at_least(
    heard: Heard, *, words: Sequence[str], n: int, but_not: Sequence[str] = (), at_most_words: int | None = None
) -> CheckOutcome:
    """At least n different ones of a set are said, such as three fruits, within the limits.

    >>> from aqaa_eval.tasks.wording import said
    >>> says_at_least(said("Apple, pear and apple."), words=("apple", "pear", "fig"), n=3).measured
    "2 of the set said ('apple', 'pear'); 3 asked"
    """
    found = _found(heard, words)
    told = f"{len(found)} of the set said ({_list(found)})"
    return _within(_limits(heard, but_not, at_most_words), len(found) >= n, told, str(n))


def says_in_order(
    heard: Heard, *, words: Sequence[str], but_not: Sequence[str] = (), at_most_words: int | None = None
) -> CheckOutcome:
    """All of them are said, each after the one before; others may stand between, within the limits.

    >>> from aqaa_eval.tasks.wording import said
    >>> says_in_order(said("Three, two, one, go!"), words=("3", "2", "1")).passed
    True
    >>> says_in_order(said("5-4-3-2-1"), words=("5", "4", "3", "2", "1")).passed
    True
    """
    language = language_of(heard)
    units = _ordered_units(heard.text, language)
    place, n_said = 0, 0
    for word in words:
        wanted = _ordered_units(word, language)
        places = range(place, len(units) - len(wanted) + 1)
        start = next((index for index in places if units[index : index + len(wanted)] == wanted), None)
        if start is None:
            break
        place, n_said = start + len(wanted), n_said + 1
    missing = f", then no {words[n_said]!r}" if n_said < len(words) else ""
    told = f"{n_said} of {len(words)} said in order{missing}"
    return _within(_limits(heard, but_not, at_most_words), not missing, told, _list(words))


def avoids_words(heard: Heard, *, words: Sequence[str]) -> CheckOutcome:
    """None of the words is said.

    >>> from aqaa_eval.tasks.wording import said
    >>> avoids_words(said("It is yellow."), words=("yellow", "sun")).measured
    "said 'yellow'; none of 'yellow', 'sun' asked"
    """
    found = _found(heard, words)
    return CheckOutcome(passed=not found, measured=f"said {_list(found)}; none of {_list(words)} asked")


def exactly_words(heard: Heard, *, n: int) -> CheckOutcome:
    """Exactly n words (characters in Chinese and Japanese), counted as written or as normalised.

    >>> from aqaa_eval.tasks.wording import said
    >>> exactly_words(said("It's fine today."), n=3)
    CheckOutcome(passed=True, measured='3 or 4 words; exactly 3 asked')
    """
    counts = word_counts(heard.text, language=language_of(heard))
    return CheckOutcome(passed=n in counts, measured=f"{_counted(counts, 'words')}; exactly {n} asked")


def at_most_words(heard: Heard, *, n: int) -> CheckOutcome:
    """No more than n words.

    >>> from aqaa_eval.tasks.wording import said
    >>> at_most_words(said("Yes, it is."), n=2).passed
    False
    """
    counts = word_counts(heard.text, language=language_of(heard))
    return CheckOutcome(passed=min(counts) <= n, measured=f"{_counted(counts, 'words')}; at most {n} asked")


def at_least_words(heard: Heard, *, n: int) -> CheckOutcome:
    """No fewer than n words.

    >>> from aqaa_eval.tasks.wording import said
    >>> at_least_words(said("Yes, it is."), n=2).passed
    True
    """
    counts = word_counts(heard.text, language=language_of(heard))
    return CheckOutcome(passed=max(counts) >= n, measured=f"{_counted(counts, 'words')}; at least {n} asked")


def exactly_sentences(heard: Heard, *, n: int) -> CheckOutcome:
    """Exactly n sentences, by the transcript's marks.

    >>> from aqaa_eval.tasks.wording import said
    >>> exactly_sentences(said("It rains. It pours!"), n=2).passed
    True
    """
    found = len(sentences(heard.text))
    return CheckOutcome(passed=found == n, measured=f"{found} sentences; exactly {n} asked")


def at_most_sentences(heard: Heard, *, n: int) -> CheckOutcome:
    """No more than n sentences, by the transcript's marks, and at least one.

    >>> from aqaa_eval.tasks.wording import said
    >>> at_most_sentences(said("It rains. It pours. I stay."), n=2).measured
    '3 sentences; at most 2 asked'
    """
    found = len(sentences(heard.text))
    return CheckOutcome(passed=0 < found <= n, measured=f"{found} sentences; at most {n} asked")


def lists_items(heard: Heard, *, n: int) -> CheckOutcome:
    """Exactly n things are named one after the other: parts between commas, "and", "or" and their like.

    What comes before a colon is an announcement. It has no tolerance: who is asked for three names three.

    >>> from aqaa_eval.tasks.wording import said
    >>> lists_items(said("Three fruits: apples, pears and plums."), n=3)
    CheckOutcome(passed=True, measured="3 items ('apples', 'pears', 'plums'); exactly 3 asked")
    """
    listed = re.split(r"[:：]", heard.text)[-1]
    parts = (tokens(part) for part in _BETWEEN_ITEMS.split(listed))
    found = [" ".join(part) for part in parts if part]
    return CheckOutcome(passed=len(found) == n, measured=f"{len(found)} items ({_list(found)}); exactly {n} asked")


def begins_with(heard: Heard, *, text: str) -> CheckOutcome:
    """The first words are the given ones.

    >>> from aqaa_eval.tasks.wording import said
    >>> begins_with(said("Once upon a time there was a fox."), text="once upon a time").passed
    True
    """
    language = language_of(heard)
    asked, found = words(text, language=language), words(heard.text, language=language)
    told = _shown(found[: len(asked)], language)
    return CheckOutcome(passed=found[: len(asked)] == asked, measured=f"begins with {told!r}; {text!r} asked")


def ends_with(heard: Heard, *, text: str) -> CheckOutcome:
    """The last words are the given ones.

    >>> from aqaa_eval.tasks.wording import said
    >>> ends_with(said("That is all. Over and out!"), text="over and out").passed
    True
    """
    language = language_of(heard)
    asked, found = words(text, language=language), words(heard.text, language=language)
    told = _shown(found[-len(asked) :], language)
    return CheckOutcome(passed=found[-len(asked) :] == asked, measured=f"ends with {told!r}; {text!r} asked")


def asks_question(heard: Heard, *, at_most_words: int | None = None) -> CheckOutcome:
    """A question is put: the transcript has a question mark, or a Japanese sentence ends in か.

    >>> from aqaa_eval.tasks.wording import said
    >>> asks_question(said("Is it alive?")).passed, asks_question(said("動物ですか。", "ja")).passed
    (True, True)
    """
    found = [
        part for part in sentences(heard.text) if part.endswith(_QUESTION_MARKS) or part.rstrip("。").endswith("か")
    ]
    told = f"{len(found)} questions put"
    return _within(_limits(heard, (), at_most_words), bool(found), told, "at least 1")


def language_is(heard: Heard, *, language: str) -> CheckOutcome:
    """The answer is in the language: what was heard and what the words look like must not speak against it.

    >>> from aqaa_eval.tasks.wording import said
    >>> language_is(said("Me gusta mucho el verano porque hace sol.", ""), language="es").passed
    True
    >>> language_is(said("I like the summer because it is warm.", "es"), language="es").measured
    'the words look en (heard as es); es asked'
    """
    looks = guess_language(heard.text)
    told = f"the words look {looks or 'undecided'} (heard as {heard.language or 'unknown'})"
    found = {tag for tag in (looks, heard.language) if tag}
    return CheckOutcome(passed=found == {language}, measured=f"{told}; {language} asked")


def repeats_verbatim(
    heard: Heard, *, text: str, wer_at_most: float = 0.2, extra_words_at_most: int = 4
) -> CheckOutcome:
    """The given words are repeated, with at most that word error rate and few words around them.

    The default rate of 0.2 leaves room for the recogniser, not for another sentence; the default of 4 extra words for
    "Sure, you said:", not for repeating the whole request.

    >>> from aqaa_eval.tasks.wording import said
    >>> heard = said("You said: the red fox sleeps.")
    >>> repeats_verbatim(heard, text="The red fox sleeps").passed
    True
    """
    language = language_of(heard)
    n_asked = len(words(text, language=language))
    found = words(heard.text, language=language)
    windows = [heard.text] + [
        _shown(found[start : start + length], language)
        for length in range(max(1, n_asked - 1), n_asked + 2)
        for start in range(max(0, len(found) - length + 1))
    ]
    errors = [count_word_errors(reference=text, hypothesis=window, language=language) for window in windows]
    best = min((error.rate for error in errors if error.rate is not None), default=1.0)
    n_extra = max(0, len(found) - n_asked)
    told = f"word error rate {best:.2f}, {n_extra} words besides"
    return CheckOutcome(
        passed=best <= wer_at_most and n_extra <= extra_words_at_most,
        measured=f"{told}; at most {wer_at_most:.2f} and {extra_words_at_most} asked",
    )


def spells(heard: Heard, *, word: str) -> CheckOutcome:
    """A word is spelled letter by letter.

    >>> from aqaa_eval.tasks.wording import said
    >>> spells(said("It is spelled R-H-Y-M-E."), word="rhyme").passed, spells(said("Rhyme."), word="rhyme").passed
    (True, False)
    """
    pieces = [piece for token in tokens(heard.text) for piece in token.replace(".", "-").split("-") if piece]
    # A recogniser writes some letters as one block of capitals: "RHYME".
    run = "".join(
        letters(piece) if len(piece) == 1 or (piece.isupper() and len(piece) > 1) else " " for piece in pieces
    )
    spelled = max(run.split(), key=len, default="")
    return CheckOutcome(passed=word.lower() in run, measured=f"spelled {spelled!r}; {word.lower()!r} asked")


def _found(heard: Heard, phrases: Sequence[str]) -> list[str]:
    language = language_of(heard)
    return [phrase for phrase in phrases if holds(heard.text, phrase, language=language)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """What an answer must not hold besides, and whether it does not."""

    kept: bool
    told: str
    asked: str


def _limits(heard: Heard, but_not: Sequence[str], at_most_words: int | None) -> _Limits:
    wrong = _found(heard, but_not)
    counts = word_counts(heard.text, language=language_of(heard))
    is_short = at_most_words is None or min(counts) <= at_most_words
    return _Limits(
        kept=not wrong and is_short,
        told=(f" and {_list(wrong)}" if wrong else "") + ("" if is_short else f" in {_counted(counts, 'words')}"),
        asked=(f" but not {_list(but_not)}" if but_not else "")
        + ("" if at_most_words is None else f" in at most {at_most_words} words"),
    )


def _within(limits: _Limits, passed: bool, told: str, asked: str) -> CheckOutcome:
    return CheckOutcome(passed=passed and limits.kept, measured=f"{told}{limits.told}; {asked}{limits.asked} asked")


def _ordered_units(text: str, language: str) -> list[str]:
    """Words normalised one by one: together, "three two one" would become 321."""
    if _glue(language) == "":
        return words(text, language=language)
    return [unit for token in tokens(text.replace("-", " ")) for unit in words(token, language=language)]


def _glue(language: str) -> str:
    return "" if language in ("ja", "zh", "yue") else " "


def _shown(units: Sequence[str], language: str) -> str:
    return _glue(language).join(units)


def _list(items: Sequence[str]) -> str:
    return ", ".join(map(repr, items)) or "none"


def _counted(counts: Sequence[int], unit: str) -> str:
    return f"{' or '.join(map(str, counts))} {unit}"
