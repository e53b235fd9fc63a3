"""Fakes that speak: the oracle gives the answer that the item itself calls good, the random one that of another item.

A query holds no reference, on purpose. So both get a look-up from the key of a turn to its answer, and a voice, from
the catalogue: the only place where suites and adapters meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aqaa_eval.adapters.replay import first_repeat
from aqaa_eval.core.attempt import Query, Response, Timing
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import ModelError

if TYPE_CHECKING:  # what samples are parsed with is of no use to a model in its own environment
    from aqaa_eval.core.performance import Phrase
    from aqaa_eval.core.sample import Turn

_TIMING = Timing(first_audio_s=0.1, total_s=0.5)
_NO_SPACES = ("ja", "zh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A good answer to one turn.

    Attributes:
        phrases: what is said and how.
        language: BCP-47 primary tag of the words, where a phrase names none.
    """

    phrases: tuple[Phrase, ...]
    language: str

    @property
    def text(self) -> str:
        """The words alone.

        >>> from aqaa_eval.core.performance import Phrase
        >>> Line(phrases=(Phrase(say="Wait."), Phrase(say="Now!", pause_s=2)), language="en").text
        'Wait. Now!'
        """
        return ("" if self.language in _NO_SPACES else " ").join(phrase.say for phrase in self.phrases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a performing fake is given.

    Attributes:
        lines: the good answers, by the key of their turn ("gaming/g03#0").
        perform: voices phrases in a language.
        voice: identity of the voice, for that of the model.
        seed: the run's.
    """

    lines: Mapping[str, Line]
    perform: Callable[[Sequence[Phrase], str], Audio]
    voice: str
    seed: int = 0


def line_of(turn: Turn) -> Line | None:
    """The performance of a turn, else its reference spoken plainly; None if it has neither."""
    from aqaa_eval.core.performance import Phrase

    phrases = turn.performance or ((Phrase(say=turn.reference),) if turn.reference else ())
    return Line(phrases=phrases, language=turn.answer_language.partition("-")[0]) if phrases else None


def oracle(stage: Stage) -> Callable[[Query], Response]:
    """Say the good answer of the turn itself."""

    def respond(query: Query) -> Response:
        line = stage.lines.get(first_repeat(query.key))
        if line is None:
            raise ModelError(
                f"fake:oracle knows no answer to {query.key}; its turn has no reference and no performance"
            )
        return _said(line, stage)

    return respond


def random_answer(stage: Stage) -> Callable[[Query], Response]:
    """Say the good answer of a turn of another conversation, drawn by the key and the run's seed."""
    keys = sorted(stage.lines)

    def respond(query: Query) -> Response:
        own = first_repeat(query.key).rpartition("#")[0]
        others = [key for key in keys if key.rpartition("#")[0] != own]
        if not others:
            raise ModelError(f"fake:random has no other conversation to answer {query.key} from; name more suites")
        # By the key alone: equal whatever the order, and however often the run is resumed.
        draw = int.from_bytes(hashlib.sha256(f"{stage.seed}:{query.key}".encode()).digest()[:8], "big")
        return _said(stage.lines[others[draw % len(others)]], stage)

    return respond


def _said(line: Line, stage: Stage) -> Response:
    return Response(audio=stage.perform(line.phrases, line.language), text=line.text, timing=_TIMING)
