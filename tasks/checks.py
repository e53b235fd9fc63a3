"""The table of checks: what can be demanded of an answer and be verified by code, and how a demand is put to one.

No check asks a language model, so two people cannot disagree on a verdict. `evaluate` is the one way in; it matches
`aqaa_eval.core.checking.CheckFunction`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aqaa_eval.core.checking import CheckOutcome, Heard
from aqaa_eval.core.errors import DataError
from aqaa_eval.core.sample import CheckSpec
from aqaa_eval.metrics.praat_pitch import TRACKERS, chosen_tracker
from aqaa_eval.tasks import checks_delivery as delivery
from aqaa_eval.tasks import checks_melody as melody
from aqaa_eval.tasks import checks_text as text
from aqaa_eval.tasks import checks_voice as voice
from aqaa_eval.tasks import checks_wordplay as wordplay
from aqaa_eval.tasks.exact_match import answers_exactly
from aqaa_eval.tasks.params import COUNT, NUMBER, NUMBERS, POSITIVE, TEXT, TEXTS, Param, bind, optional

PARTS = ("content", "delivery")
VERSION = "3"
"""Raised whenever any check could decide otherwise; scores by different versions are not comparable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One kind of demand.

    Attributes:
        function: takes the answer and the arguments by name.
        params: its arguments.
        part: "content" or "delivery", where the manifest does not say.
        compares: whether it needs an answer to the turn before.
        wordless: whether a voice can meet it without a word, as humming does.
    """

    function: Callable[..., CheckOutcome]
    params: Mapping[str, Param] = field(default_factory=dict)
    part: str = "content"
    compares: bool = False
    wordless: bool = False


def _spoken(function: Callable[..., CheckOutcome], *, compares: bool = False, **params: Param) -> Check:
    return Check(function=function, params=params, part="delivery", compares=compares)


def _sung(function: Callable[..., CheckOutcome], **params: Param) -> Check:
    return Check(function=function, params=params, part="delivery", wordless=True)


def _worded(function: Callable[..., CheckOutcome], **params: Param) -> Check:
    return Check(function=function, params=params)


_LIMITS = {"but_not": optional(TEXTS), "at_most_words": optional(COUNT)}

CHECKS: Mapping[str, Check] = {
    "says_number": _worded(text.says_number, value=NUMBER),
    "says_one_of": _worded(text.says_one_of, words=TEXTS, **_LIMITS),
    "says_all_of": _worded(text.says_all_of, words=TEXTS, **_LIMITS),
    "says_at_least": _worded(text.says_at_least, words=TEXTS, n=COUNT, **_LIMITS),
    "says_in_order": _worded(text.says_in_order, words=TEXTS, **_LIMITS),
    "answers_exactly": _worded(answers_exactly, words=TEXTS, language=optional(TEXT)),
    "avoids_words": _worded(text.avoids_words, words=TEXTS),
    "exactly_words": _worded(text.exactly_words, n=COUNT),
    "at_most_words": _worded(text.at_most_words, n=COUNT),
    "at_least_words": _worded(text.at_least_words, n=COUNT),
    "exactly_sentences": _worded(text.exactly_sentences, n=COUNT),
    "at_most_sentences": _worded(text.at_most_sentences, n=COUNT),
    "lists_items": _worded(text.lists_items, n=COUNT),
    "begins_with": _worded(text.begins_with, text=TEXT),
    "ends_with": _worded(text.ends_with, text=TEXT),
    "asks_question": _worded(text.asks_question, at_most_words=optional(COUNT)),
    "language_is": _worded(text.language_is, language=TEXT),
    "repeats_verbatim": _worded(
        text.repeats_verbatim, text=TEXT, wer_at_most=optional(POSITIVE), extra_words_at_most=optional(COUNT)
    ),
    "spells": _worded(text.spells, word=TEXT),
    "says_rhymes_with": _worded(wordplay.says_rhymes_with, word=TEXT, n=optional(COUNT)),
    "lines_rhyme": _worded(wordplay.lines_rhyme, pairs=optional(COUNT)),
    "says_palindrome": _worded(wordplay.says_palindrome, min_letters=optional(COUNT)),
    "chains_from": _worded(wordplay.chains_from, word=TEXT, but_not=optional(TEXTS)),
    "words_begin_with": _worded(wordplay.words_begin_with, letter=TEXT, share=optional(POSITIVE)),
    "faster_than_before": _spoken(delivery.faster_than_before, compares=True, by=optional(POSITIVE)),
    "slower_than_before": _spoken(delivery.slower_than_before, compares=True, by=optional(POSITIVE)),
    "louder_than_before": _spoken(delivery.louder_than_before, compares=True, by_db=optional(POSITIVE)),
    "softer_than_before": _spoken(delivery.softer_than_before, compares=True, by_db=optional(POSITIVE)),
    "higher_than_before": _spoken(delivery.higher_than_before, compares=True, by_semitones=optional(POSITIVE)),
    "lower_than_before": _spoken(delivery.lower_than_before, compares=True, by_semitones=optional(POSITIVE)),
    "livelier_than_before": _spoken(delivery.livelier_than_before, compares=True),
    "calmer_than_before": _spoken(delivery.calmer_than_before, compares=True),
    "rate_at_most": _spoken(delivery.rate_at_most, syllables_per_s=POSITIVE),
    "rate_at_least": _spoken(delivery.rate_at_least, syllables_per_s=POSITIVE),
    "whispers": _spoken(voice.whispers, voiced_share_at_most=optional(POSITIVE)),
    "level_at_least": _spoken(voice.level_at_least, dbfs=NUMBER),
    "level_at_most": _spoken(voice.level_at_most, dbfs=NUMBER),
    "pitch_at_least": _spoken(voice.pitch_at_least, hz=POSITIVE),
    "pitch_at_most": _spoken(voice.pitch_at_most, hz=POSITIVE),
    "monotone": _spoken(voice.monotone, semitones_at_most=optional(POSITIVE)),
    "pause_at_least": _spoken(delivery.pause_at_least, seconds=POSITIVE),
    "at_most_seconds": _spoken(delivery.at_most_seconds, seconds=POSITIVE),
    "at_least_seconds": _spoken(delivery.at_least_seconds, seconds=POSITIVE),
    "melody_follows": _sung(melody.melody_follows, intervals=NUMBERS, tolerance_semitones=optional(POSITIVE)),
    "holds_pitch": _sung(melody.holds_pitch, seconds=POSITIVE, cents=optional(POSITIVE)),
    "steady_beat": _sung(melody.steady_beat, beats=COUNT, variation_at_most=optional(POSITIVE)),
}
"""All checks by name; the functions' docstrings say what each demands and with what tolerance."""

WORDLESS = frozenset(name for name, check in CHECKS.items() if check.wordless)
"""Checks that are put to a sound in which no words were heard."""


def identity() -> str:
    """Version of the checks, and who measures pitch if it is not the default.

    >>> identity().split("+")[0] == VERSION
    True
    """
    tracker = chosen_tracker()
    return VERSION if tracker == TRACKERS[0] else f"{VERSION}+{tracker}"


def evaluate(spec: CheckSpec, heard: Heard) -> CheckOutcome:
    """Put one demand to one answer.

    Args:
        spec: the demand.
        heard: the answer.

    Raises:
        DataError: there is no check of that name, or its arguments are wrong (a loaded suite has neither).

    >>> from aqaa_eval.tasks.wording import said
    >>> evaluate(CheckSpec(name="says_number", params={"value": 12}), said("Twelve.")).passed
    True
    """
    check = _look_up(spec.name)
    return check.function(heard, **bind(spec.name, check.params, spec.params))


def parse_check(value: object) -> CheckSpec:
    """Read a demand as manifests write it: a name, or an object with name, params and part.

    Raises:
        DataError: the name, an argument or the part is wrong.

    >>> parse_check({"name": "says_number", "params": {"value": 7}}).part
    'content'
    """
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise DataError(f"a check is an object with a name, got {value!r}")
    unknown = sorted(set(value) - {"name", "params", "part"})
    if unknown:
        raise DataError(f"{unknown[0]!r} is no field of a check; fields are name, params, part")
    name, given = value["name"], value.get("params", {})
    if not isinstance(given, dict):
        raise DataError(f"{name}: params must be an object, got {given!r}")
    check = _look_up(name)
    part = value.get("part", check.part)
    if part not in PARTS:
        raise DataError(f"{name}: part must be {' or '.join(PARTS)}, got {part!r}")
    return CheckSpec(name=name, params=bind(name, check.params, given), part=part)


def _look_up(name: str) -> Check:
    check = CHECKS.get(name)
    if check is None:
        close = difflib.get_close_matches(name, CHECKS, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(CHECKS))}"
        raise DataError(f"no check named {name!r}; {hint}")
    return check
