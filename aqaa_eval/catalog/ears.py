"""From names to the transcriber, with one ear or two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aqaa_eval.catalog.names import TRANSCRIBERS, find
from aqaa_eval.core.errors import UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.protocols import Transcriber
    from aqaa_eval.core.runspec import OptionValue

SECOND_PREFIX = "second_"


def make_transcriber(
    name: str, options: Mapping[str, OptionValue] | None = None, *, second: str = "none"
) -> Transcriber | None:
    """The transcriber of that name; None for "none".

    Args:
        name: what stands after `--asr`.
        options: its settings; those that begin with "second_" are the second ear's.
        second: name of a second ear that marks doubtful words; "none" for one ear.

    Raises:
        UnknownName, MissingWeights, UsageError: it cannot be had; the message says what to do.
    """
    if name == "none":
        if second != "none":
            raise UsageError(f"--second-asr {second} has nothing to compare with: --asr is none")
        return None
    given = options or {}
    own = {key: value for key, value in given.items() if not key.startswith(SECOND_PREFIX)}
    theirs = {key.removeprefix(SECOND_PREFIX): value for key, value in given.items() if key.startswith(SECOND_PREFIX)}
    first = _one_ear(name, own)
    if second == "none":
        return first
    from aqaa_eval.judges.transcribers.two_ears import TwoEars

    two: Transcriber = TwoEars(first, _one_ear(second, theirs))
    return two


def _one_ear(name: str, options: Mapping[str, OptionValue]) -> Transcriber:
    head, _, argument = name.partition(":")
    made: Transcriber = find("transcriber", "aqaa_eval.transcribers", TRANSCRIBERS, head)(argument, options)
    return made
