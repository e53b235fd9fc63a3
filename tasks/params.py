"""Arguments of checks, as a manifest gives them: which there are, of which kind, and what is said when one is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.sample import CheckValue
from aqaa_eval.tasks.fault import shown

MAX_NUMBER = 1e12
"""Of anything that is counted or measured here; JSON's numbers have no end."""


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value of JSON is a number that one can calculate with.

    >>> is_number(3), is_number(True), is_number(float("nan")), is_number(10**400)
    (True, False, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _is_list_of(value: object, is_kind: Callable[[object], bool]) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(is_kind(item) for item in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "text": (_is_text, "a text"),
    "texts": (lambda value: _is_list_of(value, _is_text), "a list of texts"),
    "number": (is_number, "a number"),
    "positive": (lambda value: is_number(value) and value > 0, "a number above 0"),
    "numbers": (lambda value: _is_list_of(value, is_number), "a list of numbers"),
    "count": (lambda value: isinstance(value, int) and is_number(value) and value > 0, "a count above 0"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One argument of a check.

    Attributes:
        kind: "text", "texts", "number", "positive", "numbers" or "count".
        required: whether it must be given; the function has a default where it need not.
    """

    kind: str
    required: bool = True


TEXT, TEXTS = Param(kind="text"), Param(kind="texts")
NUMBER, NUMBERS, POSITIVE = Param(kind="number"), Param(kind="numbers"), Param(kind="positive")
COUNT = Param(kind="count")


def optional(param: Param) -> Param:
    """The same argument, which need not be given."""
    return replace(param, required=False)


def bind(name: str, params: Mapping[str, Param], given: Mapping[str, object]) -> dict[str, CheckValue]:
    """The given arguments of one check; lists become tuples.

    Raises:
        DataError: one is unknown, missing or of another kind.

    >>> bind("says_one_of", {"words": TEXTS, "but_not": optional(TEXTS)}, {"words": ["yes"]})
    {'words': ('yes',)}
    """
    for key in given:
        if key not in params:
            raise DataError(f"{name} has no argument {key!r}; it takes {', '.join(params) or 'none'}")
    bound: dict[str, CheckValue] = {}
    for key, param in params.items():
        fits, wanted = _KINDS[param.kind]
        if key not in given:
            if param.required:
                raise DataError(f"{name} needs {key}: {wanted}")
            continue
        value = given[key]
        if not fits(value):
            raise DataError(f"{name}: {key} must be {wanted}, got {shown(value)}")
        bound[key] = tuple(value) if isinstance(value, list | tuple) else value  # type: ignore[assignment]
    return bound
