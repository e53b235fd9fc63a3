"""Words in no order, to be written down: what makes a small decoder listen.

Whoever has heard a few thousand questions of twenty kinds can guess most of a question from its first sounds, and a
decoder that only ever transcribes questions learns to guess. In a row of words that have nothing to do with each other
nothing but the sound tells the next one. Short rows come as often as long ones: which sounds make which word is learnt
from single words, where the next word begins from the others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from aqaa_eval.reference_model.training.domain.further import CLOSINGS, OPENINGS
from aqaa_eval.reference_model.training.domain.kinds import PLAIN
from aqaa_eval.reference_model.training.domain.pairs import DICTATION, TRAIN, Asker, DomainPair
from aqaa_eval.reference_model.training.domain.templates import templates

_RATES = (0.9, 1.0, 1.0, 1.1)
_SEMITONES = (-3.0, -1.5, 0.0, 1.5, 3.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dictation:
    """How many rows of words are dictated.

    Attributes:
        n_rows: in all.
        seed: of the words, voices, rates and pitches.
        words: that are dictated.
        longest: words of the longest row.
        slow_every: one row in so many is read by a voice that is slow to make; None for no row.
    """

    n_rows: int
    seed: int
    words: Sequence[str] = field(default_factory=lambda: vocabulary(), repr=False)
    longest: int = 6
    slow_every: int | None = None


def wide_vocabulary() -> list[str]:
    """With the words of the wordings that are only for training, and of what stands around them."""
    texts = [*OPENINGS, *CLOSINGS]
    for template in templates():
        texts += [re.sub(r"\{\w+\}", " ", wording) for wording in template.further if template.language == "en"]
    return sorted({*vocabulary(), *(word for text in texts for word in words_of(text) if len(word) > 1)})


def vocabulary() -> list[str]:
    """Every English word of the domain's own wordings and answers, in order of the alphabet: the tiny vocabulary."""
    texts = []
    for template in templates():
        if template.language != "en":
            continue
        for case in template.cases:
            texts += [case.answer, *case.slots.values()]
        texts += [re.sub(r"\{\w+\}", " ", wording) for wording in template.wordings]
    found = {word for text in texts for word in words_of(text)}
    return sorted(word for word in found if len(word) > 1 or word in "ai")


def words_of(text: str) -> list[str]:
    """The words of a text in small letters.

    >>> words_of("Is it a man's voice?")
    ['is', 'it', 'a', "man's", 'voice']
    """
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())


def dictations(askers: Sequence[Asker], job: Dictation) -> list[DomainPair]:
    """Rows of words in no order; question and answer of such a pair are the same words.

    Args:
        askers: the voices; those of the training split that speak English dictate by their weights, and mostly those
            that are not slow: who reads matters less than how much.
        job: how many rows, and their seed.

    Raises:
        ValueError: no voice can dictate.
    """
    speakers = [asker for asker in askers if asker.split == TRAIN and "en" in asker.languages]
    quick, slow = ([one for one in speakers if one.is_slow == is_slow] for is_slow in (False, True))
    if not quick:
        raise ValueError("no voice of the training split speaks English: dictation needs one")
    rng = np.random.default_rng(job.seed)
    rows = []
    for number in range(job.n_rows):
        chosen = [job.words[i] for i in rng.integers(len(job.words), size=1 + number % job.longest)]
        is_slow = bool(slow and job.slow_every) and number % (job.slow_every or 1) == 0
        rows.append(_row(chosen, number, slow if is_slow else quick, rng, job.seed))
    return rows


def _row(words: Sequence[str], number: int, voices: Sequence[Asker], rng: np.random.Generator, seed: int) -> DomainPair:
    text = " ".join(words).capitalize() + "."
    weights = np.array([voice.weight for voice in voices], float)
    voice = voices[int(rng.choice(len(voices), p=weights / weights.sum()))]
    return DomainPair(
        key=f"{DICTATION}/{seed}-{number:05d}/{voice.name}",
        template=DICTATION,
        slots={},
        capability=DICTATION,
        split=TRAIN,
        question=text,
        language="en",
        asker=voice.name,
        rate=float(rng.choice(_RATES)),
        semitones=float(rng.choice(_SEMITONES)),
        pitch_range=1.0,
        snr_db=None if number % 4 else 15.0,
        answer=text,
        said=text,
        manner=PLAIN,
        seed=number,
    )
