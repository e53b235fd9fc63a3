"""The script of a suite, `script.yaml`: what is asked, by whom, how fast, over which noise. People edit this file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.plain_file import read_plain_text
from aqaa_eval.core.plain_yaml import MAX_CHARACTERS, YamlError, load_yaml

SCRIPT_NAME = "script.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Spoken(_Strict):
    """Words in a voice.

    Attributes:
        rate: 1 is the voice's own; 1.3 is 30 % faster.
        gain_db: over the usual level; for stress.
    """

    say: str
    voice: str | None = None
    rate: Annotated[float, Field(ge=0.5, le=2.0)] | None = None
    gain_db: float = 0.0


class Beeps(_Strict):
    """Short beeps, to be counted."""

    beeps: Annotated[int, Field(ge=1, le=12)]
    hz: float = 880.0


class Tones(_Strict):
    """A melody of plain tones.

    Attributes:
        tones: MIDI numbers, 60 is middle C.
        note_s: seconds per note.
    """

    tones: Annotated[tuple[int, ...], Field(min_length=1)]
    note_s: float = 0.5


class Pause(_Strict):
    """Silence between two parts."""

    pause_s: Annotated[float, Field(gt=0, le=5)]


class Noise(_Strict):
    """Noise below the whole turn, at a signal-to-noise ratio over its speech."""

    kind: Literal["white", "pink", "babble"]
    snr_db: float


Part = str | Spoken | Beeps | Tones | Pause


class TurnScript(_Strict):
    """One question. `say` is its words, or a list of parts; what is not given here is the conversation's.

    `answer` says how a good answer is voiced, where speaking the reference is not enough: phrases, each with its words
    (`say`; the reference if there is one phrase without words) and what the voice does, see `Phrase`.
    """

    say: str | tuple[Part, ...]
    voice: str | None = None
    rate: float | None = None
    noise: Noise | None = None
    language: str = "en"
    answer_language: str | None = None
    reference: str | None = None
    rubric: str | None = None
    checklist: tuple[str, ...] = ()
    answer: tuple[dict[str, object], ...] = ()
    checks: tuple[str | dict[str, dict[str, object]], ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is heard, in order."""
        return (self.say,) if isinstance(self.say, str) else self.say

    @property
    def performance(self) -> tuple[Phrase, ...]:
        """How a good answer is voiced; empty where speaking the reference will do.

        >>> TurnScript(say="Slower!", reference="It rains.", answer=({"rate": 0.6},)).performance[0].say
        'It rains.'
        """
        words = {"say": self.reference} if self.reference and len(self.answer) == 1 else {}
        return tuple(Phrase.model_validate(words | phrase) for phrase in self.answer)

    @property
    def text(self) -> str:
        """What is heard, for people.

        >>> TurnScript(say=("How many?", Beeps(beeps=3))).text
        'How many? [3 beeps]'
        """
        return " ".join(filter(None, map(_as_text, self.parts)))


class SampleScript(_Strict):
    """One conversation; voice, rate and noise hold for all its turns."""

    id: str
    voice: str
    rate: float = 1.0
    noise: Noise | None = None
    turns: Annotated[tuple[TurnScript, ...], Field(min_length=1)]


def read_script(path: Path) -> tuple[SampleScript, ...]:
    """Read a script.

    Raises:
        DataError: missing, no YAML, or a field is wrong.
    """
    try:
        values = load_yaml(read_plain_text(path, max_bytes=4 * MAX_CHARACTERS))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); every bundled suite has a {SCRIPT_NAME}"
        ) from error
    except YamlError as error:
        raise DataError(f"{path}:{error.line}: {error}") from error
    try:
        return TypeAdapter(tuple[SampleScript, ...]).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}: {field}: {first['msg']} (got {first['input']!r})") from error


def _as_text(part: Part) -> str:
    match part:
        case str():
            return part
        case Spoken():
            return part.say
        case Beeps():
            return f"[{part.beeps} beeps]"
        case Tones():
            return f"[{len(part.tones)} tones: {' '.join(map(_note_name, part.tones))}]"
        case Pause():
            return ""


def _note_name(midi: int) -> str:
    """Name of a MIDI note.

    >>> _note_name(60), _note_name(69)
    ('C4', 'A4')
    """
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return f"{names[midi % 12]}{midi // 12 - 1}"
