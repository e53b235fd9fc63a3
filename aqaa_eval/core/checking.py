"""What a check looks at and what it says: the contract between the checks (`tasks`) and their judge (`judges`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aqaa_eval.core.attempt import Word
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.sample import CheckSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One answered turn, as a check sees it.

    Attributes:
        text: the answer's words: the transcript, or the model's own text where that channel is judged.
        language: language that was heard; "" if unknown.
        audio: the answer's sound.
        words: word times, where ASR gives them.
        previous: the answer to the turn before; None for the first turn or if there was no answer.
    """

    text: str
    language: str
    audio: Audio
    words: tuple[Word, ...] = ()
    previous: Heard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """Whether a check holds, and what was measured against what was asked."""

    passed: bool
    measured: str


CheckFunction = Callable[[CheckSpec, Heard], CheckOutcome]
