"""What is demanded of an answer to a question of the tiny domain, template by template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.sample import CheckSpec, CheckValue
from aqaa_eval.metrics.acoustics import Delivery, measure_delivery
from aqaa_eval.reference_model.training.domain.pairs import DomainPair
from aqaa_eval.reference_model.training.domain.words import NUMBERS
from aqaa_eval.tasks.checks import parse_check
from aqaa_eval.tasks.speaking.performer import perform

_RATE_STEP = 0.15
_PITCH_STEP = 2 ** (1.5 / 12)
"""Both as between two answers in `checks_delivery`: what a listener notices without being told."""

_WORDS_OF_A_SUM = 8
"""Room for "Seven and two make nine.", and fewer words than any question has that holds its answer."""

_ALSO_RIGHT = {
    "riddle": {
        "clock": "watch",
        "pencil": "pen",
        "hat": "cap",
        "bicycle": "bike",
        "rabbit": "hare bunny",
        "cow": "goat",
        "moon": "star stars",
        "umbrella": "raincoat",
    },
    "opposite": {
        "big": "large",
        "small": "little",
        "fast": "quick",
        "old": "young",
        "happy": "glad",
        "sad": "unhappy",
        "left": "wrong",
        "open": "opened",
        "closed": "shut close",
        "light": "bright",
        "hard": "loud",
        "soft": "easy",
        "loud": "noisy",
        "thick": "fat",
        "near": "close",
        "cold": "cool",
        "hot": "warm",
        "short": "tall",
        "dirty": "unclean",
    },
}
"""Other good answers, by the template and by the answer that is taught."""

_GREETINGS = {
    "a pirate": "ahoy matey aboard",
    "a robot": "human humans beep",
    "a king": "castle kingdom",
    "a wizard": "magic spell",
    "a cowboy": "howdy partner",
    "a ghost": "boo haunted",
    "a chef": "soup kitchen dinner meal",
    "a teacher": "class lesson students",
    "a queen": "palace castle",
    "a farmer": "cows farm",
    "a doctor": "hurt patient",
    "a pilot": "captain flight",
}
"""Words by which a character is known. Its name is none: who says the question back has not greeted."""

_OTHER_SIDE = {
    "man": ("man male", "woman female"),
    "woman": ("woman female", "man male"),
    "happy": ("happy", "sad"),
    "sad": ("sad", "happy"),
    "fast": ("fast quickly", "slow slowly"),
    "slowly": ("slow slowly", "fast quickly"),
}
"""What tells a choice between two, and what tells the other."""

Values = Mapping[str, CheckValue]


def checks_of(pair: DomainPair) -> tuple[CheckSpec, ...]:
    """The demands on an answer to a pair's question.

    Raises:
        KeyError: a template that has no demands here.
    """
    return tuple(parse_check({"name": name, "params": dict(params)}) for name, params in _CHECKS[pair.template](pair))


def _number(pair: DomainPair) -> list[tuple[str, Values]]:
    # Not `says_number`: "One." alone is a pronoun to the normaliser. The limit tells an answer from the question.
    word = _plain(pair.answer)
    return [("says_one_of", {"words": (word, str(NUMBERS.index(word))), "at_most_words": _WORDS_OF_A_SUM})]


def _larger(pair: DomainPair) -> list[tuple[str, Values]]:
    larger = _plain(pair.answer)
    smaller = tuple(value for value in pair.slots.values() if value != larger)
    return [("says_one_of", {"words": (larger,), "but_not": smaller})]


def _right_word(pair: DomainPair) -> list[tuple[str, Values]]:
    word = _plain(pair.answer).split()[-1]
    others = _ALSO_RIGHT.get(pair.template, {}).get(word, "").split()
    return [("says_one_of", {"words": (word, *others)})]


def _chain(pair: DomainPair) -> list[tuple[str, Values]]:
    return [("chains_from", {"word": pair.slots["word"]})]


def _spelling(pair: DomainPair) -> list[tuple[str, Values]]:
    return [("spells", {"word": pair.slots["word"]})]


def _rhyme(pair: DomainPair) -> list[tuple[str, Values]]:
    return [("says_rhymes_with", {"word": pair.slots["word"]})]


def _greeting(pair: DomainPair) -> list[tuple[str, Values]]:
    return [("says_one_of", {"words": tuple(_GREETINGS[pair.slots["word"]].split())})]


def _one_of_two(pair: DomainPair) -> list[tuple[str, Values]]:
    said, other = _OTHER_SIDE[_plain(pair.answer).split()[-1]]
    return [("says_one_of", {"words": tuple(said.split()), "but_not": tuple(other.split())})]


def _echo(pair: DomainPair) -> list[tuple[str, Values]]:
    return [("repeats_verbatim", {"text": pair.answer, "extra_words_at_most": 1})]


def _count(pair: DomainPair) -> list[tuple[str, Values]]:
    counted = re.findall(r"\w+", pair.answer.lower())
    first, last = NUMBERS.index(counted[0]), NUMBERS.index(counted[-1])
    around = (NUMBERS[first - 1], NUMBERS[last + 1])
    limits: Values = {"but_not": around, "at_most_words": len(counted) + 1}
    return [("says_in_order", {"words": tuple(counted), **limits})]


def _manner(pair: DomainPair) -> list[tuple[str, Values]]:
    plain = _read_plainly(pair.answer)
    rate, pitch_hz = plain.syllables_per_s or 0.0, plain.pitch_hz or 0.0
    delivery: dict[str, tuple[str, Values]] = {
        "slowly": ("rate_at_most", {"syllables_per_s": round(rate * (1 - _RATE_STEP), 2)}),
        "very fast": ("rate_at_least", {"syllables_per_s": round(rate * (1 + _RATE_STEP), 2)}),
        "in a high voice": ("pitch_at_least", {"hz": round(pitch_hz * _PITCH_STEP)}),
        "in a deep voice": ("pitch_at_most", {"hz": round(pitch_hz / _PITCH_STEP)}),
        "in a whisper": ("whispers", {}),
    }
    return [*_echo(pair), delivery[pair.slots["how"]]]


def _read_plainly(text: str) -> Delivery:
    """By the voice that answers are taught in: what it does beyond is the manner."""
    return measure_delivery(perform([Phrase(say=text)], language="en"), text=text, language="en")


def _song(pair: DomainPair) -> list[tuple[str, Values]]:
    notes = pair.manner.notes
    intervals = tuple(float(after - before) for before, after in pairwise(notes))
    if any(intervals):
        return [("melody_follows", {"intervals": intervals})]
    # One note again and again has no intervals to follow.
    return [("monotone", {"semitones_at_most": 1.5}), ("steady_beat", {"beats": len(notes)})]


def _plain(answer: str) -> str:
    return answer.lower().rstrip(".")


_CHECKS: Mapping[str, Callable[[DomainPair], list[tuple[str, Values]]]] = {
    **dict.fromkeys(("plus", "minus", "times"), _number),
    "larger": _larger,
    "chain": _chain,
    **dict.fromkeys(("riddle", "from_japanese", "opposite"), _right_word),
    "spell": _spelling,
    "rhyme": _rhyme,
    "greeting": _greeting,
    **dict.fromkeys(("who_speaks", "who_spoke", "mood", "pace"), _one_of_two),
    "manner": _manner,
    "echo": _echo,
    "count": _count,
    "sing": _song,
}
