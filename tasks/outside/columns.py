"""Which column of a table tells what: by hand, by known names, by what the columns hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aqaa_eval.core.container import AUDIO_SUFFIXES
from aqaa_eval.core.errors import DataError
from aqaa_eval.tasks.outside.fields import FIELDS, plain_name

AUDIO, AUDIOS, TEXT, TEXTS, OBJECTS = "audio", "list of audio", "text", "list of text", "list of objects"
_NUMBERED = re.compile(r"(.*?)[ _-]?(\d+)$")
_SOUND_NAME = re.compile(r"\.(" + "|".join(suffix[1:] for suffix in sorted(AUDIO_SUFFIXES)) + r")\b")
_MAX_NAME_CHARACTERS = 200  # of a column that is looked at; a line of JSON may name one of a million
_SCALARS = (TEXT, "number", "boolean")
_KINDS: Mapping[str, tuple[str, ...]] = {
    "audio": (AUDIO, AUDIOS, TEXT, TEXTS),
    "turns": (OBJECTS,),
    "conversation": _SCALARS,
    "turn": _SCALARS,
    "category": _SCALARS,
    "language": (TEXT,),
}
"""Kinds of column that a field can be told by; any kind where it is not listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column as it was found.

    Attributes:
        name: as the table has it.
        kind: "audio" (embedded), "text", "number", "list of text", "list of audio", "list of objects", ...
        samples: its first few values, shortened.
    """

    name: str
    kind: str
    samples: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line.

        >>> str(Column(name="wav", kind="text", samples=("a.wav", "b.wav")))
        'wav (text): a.wav | b.wav'
        """
        return f"{self.name} ({self.kind})" + (f": {' | '.join(self.samples)}" if self.samples else "")


Layout = Mapping[str, tuple[str, ...]]
"""Column names by field; several of one field are the turns of a conversation, in order."""


def find_layout(columns: Sequence[Column], by_hand: Layout) -> dict[str, tuple[str, ...]]:
    """Tell which column holds what.

    Args:
        columns: all of the table.
        by_hand: what is given; it wins.

    Returns:
        The columns of every field that is told; a field that none tells is absent.

    Raises:
        DataError: a column that is given by hand is not there; the message lists all columns.

    >>> find_layout([Column(name="wav_path", kind="text"), Column(name="Prompt", kind="text")], {})
    {'audio': ('wav_path',), 'text': ('Prompt',)}
    """
    there = {column.name: column for column in columns}
    for field, names in by_hand.items():
        for name in names:
            if name not in there:
                raise DataError(f"{field}: there is no column {name!r}\n{describe(columns)}")
    layout: dict[str, tuple[str, ...]] = dict(by_hand)
    taken = {name for names in by_hand.values() for name in names}
    for field in FIELDS:
        if field not in layout:
            free = [column for column in columns if column.name not in taken]
            found = _named(field, free) or (_sounding(free) if field == "audio" else ())
            if found:
                layout[field] = found
                taken.update(found)
    return layout


def describe(columns: Sequence[Column]) -> str:
    """What was seen, and the way out."""
    seen = "\n".join(f"  {column}" for column in columns) or "  none"
    return (
        f"columns seen:\n{seen}\nName them by hand, such as --suite-set audio=COLUMN, or --suite-set columns=FILE.yaml "
        f"with columns: {{audio: COLUMN}}; fields are {', '.join(FIELDS)}"
    )


def _named(field: str, columns: Sequence[Column]) -> tuple[str, ...]:
    """The columns of the first known name, or of that name with numbers behind it ("audio_1", "audio_2")."""
    fitting = [
        column
        for column in columns
        if len(column.name) <= _MAX_NAME_CHARACTERS and column.kind in _KINDS.get(field, (column.kind,))
    ]
    for known in FIELDS[field]:
        for column in fitting:
            if plain_name(column.name) == known and (field != "audio" or _can_be_audio(column)):
                return (column.name,)
        numbered = [
            (int(found.group(2)), column.name)
            for column in fitting
            if (found := _NUMBERED.match(column.name)) and plain_name(found.group(1)) == known
        ]
        if numbered and field in ("audio", "text", "reference"):
            return tuple(name for _, name in sorted(numbered))
    return ()


def _sounding(columns: Sequence[Column]) -> tuple[str, ...]:
    """The one column that holds sound, or names of sound files, whatever it is called."""
    for kinds in ((AUDIO, AUDIOS), (TEXT, TEXTS)):
        found = [c for c in columns if c.kind in kinds and (kinds[0] == AUDIO or _names_sound(c))]
        if len(found) == 1:
            return (found[0].name,)
    return ()


def _can_be_audio(column: Column) -> bool:
    """Whether a column of a fitting name is not a mere text, such as a `path` that names pictures."""
    return column.kind in (AUDIO, AUDIOS) or not column.samples or _names_sound(column) or column.name == "audio"


def _names_sound(column: Column) -> bool:
    return any(_SOUND_NAME.search(sample.lower()) for sample in column.samples)
