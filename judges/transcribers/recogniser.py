"""What a recogniser is asked and what it gives: the small part that differs from one to the next.

Gate, doubts about invented words, second try and marking are the same for all, in `guarded.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from aqaa_eval.core.attempt import Word
from aqaa_eval.core.audio import Audio

MAX_TOKENS, BASE_TOKENS, TOKENS_PER_S = 224, 32, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording with speech in it.

    Attributes:
        audio: without its long silences.
        language: the language to force; None to detect it.
        languages: those that are likely; see `pick_language`.
        speech_s: seconds of speech in it.
    """

    audio: Audio
    language: str | None
    languages: tuple[str, ...]
    speech_s: float

    @property
    def max_tokens(self) -> int:
        """Where decoding may stop: a loop would go on to the end, and no speech can have got so far."""
        return min(MAX_TOKENS, BASE_TOKENS + round(TOKENS_PER_S * self.speech_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondTry:
    """How a recording is decoded again.

    Attributes:
        temperature: of the sampling.
        seed: equal seeds give equal words.
    """

    temperature: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """What a recogniser says of one recording.

    Attributes:
        text: the words.
        language: primary tag; "" if it gives none.
        language_probability: of a detected language; None where it was forced or is not given.
        words: with times in the recording; empty where it gives none.
        log_probability: mean over the tokens; None if the decoding does not give the model's own.
        confidence: mean word probability; None where it gives none.
        no_speech: its probability that there is no speech; 0 where it gives none.
        problem: a clause on what went wrong in decoding; "" if nothing did.
    """

    text: str
    language: str
    language_probability: float | None = None
    words: tuple[Word, ...] = ()
    log_probability: float | None = None
    confidence: float | None = None
    no_speech: float = 0.0
    problem: str = ""


class Recogniser(Protocol):
    """Speech to text, and nothing else."""

    @property
    def identity(self) -> str:
        """Name, hash of the weights, settings."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """Primary tags of the languages that it knows; empty if it knows many."""
        ...

    def recognise(self, recordings: Sequence[Recording]) -> list[Decoding]:
        """Decode without randomness; one decoding per recording, in order."""
        ...

    def recognise_again(self, recording: Recording, *, trial: SecondTry) -> Decoding:
        """Decode one recording at a temperature."""
        ...
