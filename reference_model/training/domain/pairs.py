"""Draws question-answer pairs of the tiny domain, with voices, and splits them so that held-out questions are new.

Held out are the last wordings of every kind of question, and some voices wholly: a held-out pair is asked in words and
by a voice that training never heard. The kinds, and what is asked about (the numbers of a sum, the word to spell), are
in both: who has learnt a case and hears a new wording of it can answer. So held-out items tell whether a model hears
and understands, not whether it can add what it never added.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aqaa_eval.reference_model.training.domain.further import CLOSINGS, OPENINGS, WITHOUT_CLOSING
from aqaa_eval.reference_model.training.domain.kinds import ANY_THROAT, Case, Manner, Template, Tone
from aqaa_eval.reference_model.training.domain.templates import templates

TRAIN, HELD_OUT = "train", "held_out"
DICTATION = "dictation"
"""Template of pairs that are only written down, see `dictation`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A voice that asks.

    Attributes:
        name: of the voice, for whoever speaks.
        sounds_like: "man" or "woman".
        languages: that it speaks.
        split: `TRAIN` or `HELD_OUT`.
        weight: how often it is drawn beside the others.
        is_slow: whether it takes long to make, so that it dictates little.
    """

    name: str
    sounds_like: str
    languages: tuple[str, ...] = ("en",)
    split: str = TRAIN
    weight: int = 1
    is_slow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPair:
    """One spoken question with its answer, not spoken yet.

    Attributes:
        key: unique, stable: template, case, wording, voice.
        template: its name.
        slots: of the case.
        capability: id of the suite that asks such things.
        split: `TRAIN` or `HELD_OUT`.
        question: its words.
        language: of the question.
        asker: name of the voice.
        rate: of the asking voice.
        semitones: how much its pitch is moved.
        pitch_range: factor on the rise and fall of its pitch.
        snr_db: of the noise below it; None for none.
        answer: bare words of the answer, in English.
        said: the answer as the model is taught to say it.
        manner: how the answer is voiced.
        seed: for the noise.
        take_semitones: how far another take of the question may move its pitch.
    """

    key: str
    template: str
    slots: Mapping[str, str] = field(hash=False)
    capability: str
    split: str
    question: str
    language: str
    asker: str
    rate: float
    semitones: float
    pitch_range: float
    snr_db: float | None
    answer: str
    said: str
    manner: Manner
    seed: int
    take_semitones: tuple[float, float] = ANY_THROAT

    @property
    def is_answered(self) -> bool:
        """False where the words are only written down."""
        return self.template != DICTATION


def draw(
    askers: Sequence[Asker], *, voices_per_case: int = 1, forbidden: Collection[str] = (), seed: int = 0
) -> Iterator[DomainPair]:
    """All pairs of the domain, each wording of each case by a few voices.

    The first voice asks the plain wording; the further ones, in training, put something before or after it. A wording
    that is for training only is asked by one voice, in half of the cases with something around it.

    Args:
        askers: the voices; at least one per split and language.
        voices_per_case: how many voices ask each wording of each case.
        forbidden: questions that must not be among them (those of the bundled suites), in any writing.
        seed: of voices, rates, pitches and noise.

    Raises:
        ValueError: a template's language or asker has no voice.
    """
    kept_out = {normal_form(text) for text in forbidden}
    for template in templates():
        n_learnt, n_own = len(template.wordings) - template.n_held_out, len(template.wordings)
        for place, wording in enumerate((*template.wordings, *template.further)):
            split = HELD_OUT if n_learnt <= place < n_own else TRAIN
            n_voices = voices_per_case if place < n_own else 1
            for case in template.cases:
                question = wording.format(**case.slots)
                question = question[0].upper() + question[1:]
                if normal_form(question) in kept_out:
                    continue
                yield from _spoken(template, place, case, question, _Split(split, askers, n_voices, seed))


@dataclass(frozen=True, slots=True)
class _Split:
    name: str
    askers: Sequence[Asker]
    voices_per_case: int
    seed: int


def _spoken(template: Template, wording: int, case: Case, question: str, split: _Split) -> Iterator[DomainPair]:
    fitting = [
        asker
        for asker in split.askers
        if asker.split == split.name and template.language in asker.languages and case.asker in ("", asker.sounds_like)
    ]
    if not fitting:
        raise ValueError(
            f"no {split.name} voice asks in {template.language!r}{' as a ' + case.asker if case.asker else ''}; "
            f"the template {template.name} needs one"
        )
    every = template.every_voice and split.name == TRAIN
    # In rounds, so that two voices of one case are seldom the same.
    n_rounds = 1 if every else max(asker.weight for asker in fitting)
    drawn = [asker for turn in range(n_rounds) for asker in fitting if asker.weight > turn]
    for turn in range(len(fitting) if every else min(split.voices_per_case, len(fitting))):
        name = f"{template.name}/{_slug(case)}/{wording}/{turn}"
        number = _draw(split.seed, name)
        asker = drawn[turn if every else (number + turn) % len(drawn)]
        tone = case.tone or _any_tone(number, own_pitch=bool(case.asker))
        yield DomainPair(
            key=f"{name}/{asker.name}",
            template=template.name,
            slots=case.slots,
            capability=template.capability,
            split=split.name,
            question=_framed(question, template, number) if _has_frame(template, wording, turn, number) else question,
            language=template.language,
            asker=asker.name,
            rate=tone.rate,
            semitones=tone.semitones,
            pitch_range=tone.pitch_range,
            snr_db=(None, None, None, 20.0, 12.0)[number // 307 % 5],
            answer=case.answer,
            said=template.said(case.answer),
            manner=case.manner,
            seed=number,
            take_semitones=case.take_semitones,
        )


def _has_frame(template: Template, wording: int, turn: int, number: int) -> bool:
    """Whether something stands around a question: never where it is held out, or in Japanese."""
    own = len(template.wordings)
    if template.language != "en" or own - template.n_held_out <= wording < own:
        return False
    return turn > 0 if wording < own else number // 13 % 2 == 1


def _framed(question: str, template: Template, number: int) -> str:
    """A question with something before it, or after it.

    >>> from aqaa_eval.reference_model.training.domain.templates import templates
    >>> _framed("What is one plus two?", templates()[0], 2)
    'Hello. What is one plus two?'
    """
    kind, place = number // 17 % 3, number // 51
    if kind == 2 and template.name not in WITHOUT_CLOSING:
        return f"{question} {CLOSINGS[place % len(CLOSINGS)]}"
    return f"{OPENINGS[place % len(OPENINGS)]} {question}"


def thinned(pairs: Sequence[DomainPair], most: int) -> list[DomainPair]:
    """Without some pairs of the templates that have more than so many; which ones is the same every time.

    Args:
        pairs: of one split.
        most: pairs of a template that are kept, about.
    """
    counts = Counter(pair.template for pair in pairs)
    return [pair for pair in pairs if _draw(0, pair.key) / 2**32 < most / counts[pair.template]]


def _any_tone(number: int, *, own_pitch: bool) -> Tone:
    """Who asks for a judgement of the voice keeps the pitch that it has."""
    return Tone(
        name="any",
        rate=(0.9, 1.0, 1.0, 1.1, 1.2)[number // 7 % 5],
        semitones=0.0 if own_pitch else (-3.0, -1.5, 0.0, 1.5, 3.0)[number // 41 % 5],
    )


def normal_form(text: str) -> str:
    """A question without case, punctuation and width, to tell whether two are the same.

    >>> normal_form("What is 2, plus two?") == normal_form("what is 2 plus TWO")
    True
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[^\w]+", " ", folded).strip()


def _slug(case: Case) -> str:
    values = [*case.slots.values(), case.tone.name if case.tone else ""]
    return "-".join(re.sub(r"\W+", "_", value).strip("_") for value in values if value) or case.asker


def _draw(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:4], "big")
