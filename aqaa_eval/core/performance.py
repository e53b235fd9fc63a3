"""How a good answer sounds: the words with what the voice does, so that an answer can be performed and checked."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Phrase(BaseModel):
    """One stretch of an answer in one manner, as manifests and scripts write it.

    Attributes:
        say: the words; with `notes` each word is sung on one note.
        language: BCP-47 primary tag of the words; "" for the language that the answer is in.
        rate: 1 is the voice's own, 1.3 is 30 % faster.
        gain_db: over the voice's usual level.
        semitones: how much the pitch is moved.
        pitch_range: factor on the rise and fall of the pitch around its median; 0 is a monotone.
        whisper: without voice.
        notes: MIDI numbers (60 is middle C), as many as words; empty if spoken.
        note_s: seconds per note, with its gap.
        pause_s: silence before it.

    >>> Phrase(say="do re mi", notes=(60, 62, 64)).is_plain
    False
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    say: Annotated[str, Field(min_length=1)]
    language: str = ""
    rate: Annotated[float, Field(ge=0.3, le=3.0)] = 1.0
    gain_db: Annotated[float, Field(ge=-30, le=20)] = 0.0
    semitones: Annotated[float, Field(ge=-12, le=12)] = 0.0
    pitch_range: Annotated[float, Field(ge=0, le=4)] = 1.0
    whisper: bool = False
    notes: tuple[Annotated[int, Field(ge=36, le=84)], ...] = ()
    note_s: Annotated[float, Field(gt=0, le=5)] = 0.5
    pause_s: Annotated[float, Field(ge=0, le=10)] = 0.0

    @model_validator(mode="after")
    def _fits(self) -> Self:
        n_words = len(self.say.split())
        if self.notes and n_words != len(self.notes):
            raise ValueError(f"{len(self.notes)} notes for {n_words} words; give one note to each word")
        if self.whisper and self.notes:
            raise ValueError("a whisper has no pitch and cannot hold notes; take whisper or notes out")
        return self

    @property
    def is_plain(self) -> bool:
        """True if the voice does nothing but speak."""
        return self == Phrase(say=self.say, language=self.language)
