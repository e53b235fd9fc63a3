"""What a template of the tiny domain is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What a voice does beside speaking.

    Attributes:
        rate: 1 is the voice's own.
        gain_db: over its usual level.
        semitones: how much the pitch is moved.
        whisper: without voice.
        notes: MIDI numbers, one per word; empty if spoken.
    """

    rate: float = 1.0
    gain_db: float = 0.0
    semitones: float = 0.0
    whisper: bool = False
    notes: tuple[int, ...] = ()


PLAIN = Manner()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """How a question sounds, where its answer depends on that.

    Attributes:
        name: tells cases with the same words apart.
        rate: of the asking voice.
        semitones: how much its pitch is moved.
        pitch_range: factor on its rise and fall.
    """

    name: str
    rate: float = 1.0
    semitones: float = 0.0
    pitch_range: float = 1.0


ANY_THROAT, SAME_THROAT = (-3.5, 2.0), (-0.3, 0.3)
"""How far another take may move a voice, in semitones. Slower goes further: fast speech has too few frames for CTC."""
THROATS = {"man": (-2.0, 4.5), "woman": (-1.5, 3.0)}
"""The same where a man must stay a man. The free men speak at 83 to 106 Hz, others up to 155: these go to 137."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What fills a wording, and the answer that follows.

    Attributes:
        slots: by the name in the wording's braces.
        answer: words of the answer.
        manner: how the answer is voiced.
        asker: "man" or "woman" where the answer depends on who asks; "" for anybody.
        tone: how it is asked where the answer depends on that; None for any way.
    """

    slots: Mapping[str, str]
    answer: str
    manner: Manner = PLAIN
    asker: str = ""
    tone: Tone | None = None

    @property
    def take_semitones(self) -> tuple[float, float]:
        """How far another take of the question may move its pitch, for the answer to stay right."""
        if self.tone:
            return SAME_THROAT
        return THROATS[self.asker] if self.asker else ANY_THROAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One kind of question.

    Attributes:
        name: unique.
        capability: one of the nine suites' ids.
        wordings: sentences with slots; the last fifth (at least one) is held out from training.
        cases: what fills them.
        language: of the question.
        further: wordings that are all for training.
        every_voice: asked by every voice of training, not by a few: the answer depends on which.
        says: sentence in which the model says the bare answer, with {} in its place. One word alone is hard to hear.
    """

    name: str
    capability: str
    wordings: tuple[str, ...]
    cases: tuple[Case, ...] = field(repr=False)
    language: str = "en"
    further: tuple[str, ...] = ()
    every_voice: bool = False
    says: str = ""

    def said(self, answer: str) -> str:
        """An answer as the model is taught to say it.

        >>> Template(name="t", capability="c", wordings=(), cases=(), says="You get {}.").said("Nine.")
        'You get nine.'
        """
        if not self.says:
            return answer
        bare = answer.removesuffix(".")
        is_word = bare[1:2].islower()  # letters that are spelled keep their capitals
        return self.says.format(bare[0].lower() + bare[1:] if is_word else bare)

    def training_wordings(self) -> tuple[str, ...]:
        """What training hears: the first four fifths and the further ones."""
        return (*self.wordings[: -self.n_held_out], *self.further)

    @property
    def n_held_out(self) -> int:
        """How many of the wordings training never hears."""
        return max(1, len(self.wordings) // 5)


def sentence(text: str) -> str:
    """With a capital.

    >>> sentence("nine.")
    'Nine.'
    """
    return text[0].upper() + text[1:]
