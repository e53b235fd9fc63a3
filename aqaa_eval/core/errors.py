"""Errors that a person can act on: each message gives the value, the rule and the way out.

AqaaError
|-- UsageError        the command asks for something that cannot be (exit code 2)
|   `-- UnknownName   no model, suite or judge of that name
|-- AudioError        a recording cannot be used
|-- DataError         a card, a manifest or a run folder is malformed
|-- NotComparable     two runs were not measured alike (exit code 5)
|-- MissingWeights    a model file is not on this machine
`-- ModelError        the model under test broke on one query
    `-- ModelTimeout  it did not answer in time
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells the shell (see the design: the same in every verb)."""

    PASSED = 0
    GATE_FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    INCONCLUSIVE = 4
    NOT_COMPARABLE = 5


class AqaaError(Exception):
    """Base of all errors that we raise on purpose."""

    exit_code = ExitCode.USAGE


class UsageError(AqaaError):
    """The command asks for something that cannot be."""


class UnknownName(UsageError):
    """No part of that kind and name; the message suggests the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"
        super().__init__(f"no {kind} named {name!r}; {hint}")


class AudioError(AqaaError):
    """A recording cannot be used: missing, empty, truncated, not finite, too long."""


class DataError(AqaaError):
    """A card, a manifest, a configuration or a run folder is malformed."""


class NotComparable(AqaaError):
    """Two runs were not measured alike, or share no conversation."""

    exit_code = ExitCode.NOT_COMPARABLE


class MissingWeights(AqaaError):
    """A model file is not on this machine."""


class ModelError(AqaaError):
    """The model under test broke on one query; the run goes on."""

    exit_code = ExitCode.INCOMPLETE


class ModelTimeout(ModelError):
    """The model under test did not answer in time."""
