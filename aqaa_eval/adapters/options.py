"""Settings of an adapter, checked: what it does not know is refused by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from aqaa_eval.core.errors import UsageError

if TYPE_CHECKING:
    from aqaa_eval.core.runspec import OptionValue

T = TypeVar("T", str, int, float, bool)


def refuse_unknown(model: str, options: Mapping[str, OptionValue], known: Mapping[str, str]) -> None:
    """Refuse settings that an adapter does not have.

    Args:
        model: name of the model, for the message.
        options: what was given.
        known: what there is, with a few words on each.

    Raises:
        UsageError: names the setting, the nearest one and all that there are.

    >>> refuse_unknown("fake:slow", {"delay": 1.0}, {"delay_s": "seconds to wait"})
    Traceback (most recent call last):
    ...
    aqaa_eval.core.errors.UsageError: fake:slow has no setting 'delay'; did you mean delay_s? Settings: delay_s
    """
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" did you mean {close[0]}?" if close else ""
            there = f"Settings: {', '.join(known)}" if known else "there are none"
            raise UsageError(f"{model} has no setting {name!r};{hint} {there}")


def option(options: Mapping[str, OptionValue], name: str, default: T) -> T:
    """One setting in the type of its default.

    Raises:
        UsageError: the value cannot be read as that type.
    """
    value = options.get(name, default)
    try:
        if isinstance(default, bool) and not isinstance(value, bool):
            raise ValueError
        return type(default)(value)
    except ValueError as error:
        raise UsageError(f"setting {name} must be {type(default).__name__}, got {value!r}") from error
