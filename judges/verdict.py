"""What a language-model judge must reply, and how its reply is read: strictly, or not at all.

A reply is one JSON object with exactly the keys that were asked for and levels within their scale. Prose around it, a
cut reply, a level of 7 or of "4" in quotes, a key too many: all are invalid, and an invalid verdict is marked as one.
Guessing what the judge may have meant would move the mean in a direction that nobody sees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MAX_REASON_CHARACTERS = 2000

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.DOTALL)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|“[^”]*”|‘[^’]*’|「[^」]*」|《[^》]*》")
_REFUSALS = re.compile(
    r"\b(?:i\W*(?:am|m)\s+(?:sorry|unable|not\s+able)|i\s+(?:can\s?not|can.?t|won.?t|must\s+decline)|as\s+an\s+ai)\b"
    r"|抱歉|无法(?:评|协助|提供)|不能(?:评|协助|提供)|申し訳|できません",
    re.IGNORECASE,
)


class InvalidReply(Exception):
    """A reply that is no verdict; the message says which rule it breaks, so that the judge can be told."""


class RefusedReply(Exception):
    """The judge declined to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What is graded, and from which level to which.

    Attributes:
        name: such as "content".
        low: lowest level; one digit, as `high`, so that a level is one token.
        high: highest level.
    """

    name: str
    low: int = 1
    high: int = 5

    @property
    def levels(self) -> range:
        """All levels."""
        return range(self.low, self.high + 1)

    @property
    def is_binary(self) -> bool:
        """True for a yes or no."""
        return (self.low, self.high) == (0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyForm:
    """What one reply has to hold, in this order: a reason, the ticks of a checklist, the levels.

    The reason comes first, so that the levels follow from it and not the other way round.
    """

    scales: tuple[Scale, ...]
    n_ticks: int = 0

    @property
    def tick_names(self) -> tuple[str, ...]:
        """Keys of the checklist's answers."""
        return tuple(f"check_{number + 1}" for number in range(self.n_ticks))

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys, in order."""
        return ("reason", *self.tick_names, *(scale.name for scale in self.scales))

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema, in the strict subset that servers accept for `response_format`; not to be changed."""
        return _schema_of(self)

    def request(self) -> str:
        """The form as a line of text; the same for any number of ticks, whose questions stand with the item.

        >>> ReplyForm(scales=(Scale(name="content"),), n_ticks=2).request().partition(": ")[2]
        '{"reason": "...", "check_1" and on: true or false, "content": 1 to 5}'
        """
        ticks = ['"check_1" and on: true or false'] if self.n_ticks else []
        levels = (
            f'"{scale.name}": {"0 or 1" if scale.is_binary else f"{scale.low} to {scale.high}"}'
            for scale in self.scales
        )
        parts = ", ".join(['"reason": "..."', *ticks, *levels])
        return f"Reply with one JSON object and nothing else: {{{parts}}}"


@cache
def _schema_of(form: ReplyForm) -> dict[str, Any]:
    properties: dict[str, Any] = {"reason": {"type": "string"}}
    properties.update({name: {"type": "boolean"} for name in form.tick_names})
    properties.update({scale.name: {"type": "integer", "enum": list(scale.levels)} for scale in form.scales})
    return {
        "type": "object",
        "properties": properties,
        "required": list(form.keys),
        "additionalProperties": False,
    }


class Verdict(BaseModel):
    """One valid verdict.

    Attributes:
        reason: one or two sentences in English.
        ticks: the answers to the checklist, in order.
        levels: the level given, by scale.
        expected: probability-weighted mean level, by scale, where the judge's log-probabilities tell it.
        n_tries: replies that it took; above 1 if earlier ones were invalid.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    reason: str
    ticks: tuple[bool, ...] = ()
    levels: dict[str, int]
    expected: dict[str, float] = {}
    n_tries: int = Field(default=1, ge=1)

    def value(self, scale: Scale) -> float:
        """The score: the expectation where there is one; a yes or no stays one."""
        if scale.is_binary:
            return float(self.levels[scale.name])
        return self.expected.get(scale.name, float(self.levels[scale.name]))


def read_verdict(
    text: str, form: ReplyForm, *, n_tries: int = 1, expected: Mapping[str, float] | None = None
) -> Verdict:
    """Read a reply.

    Raises:
        RefusedReply: it declines.
        InvalidReply: it is anything but one JSON object of that form, its reason in English.

    >>> read_verdict('{"reason": "Right.", "content": 4}', ReplyForm(scales=(Scale(name="content"),))).levels
    {'content': 4}
    >>> read_verdict("Sure! 4 of 5.", ReplyForm(scales=(Scale(name="content"),)))
    Traceback (most recent call last):
    ...
    aqaa_eval.judges.verdict.InvalidReply: not one JSON object and nothing else: 'Sure! 4 of 5.'
    """
    values = _read_object(text)
    missing = [key for key in form.keys if key not in values]
    unknown = [key for key in values if key not in form.keys]
    if missing or unknown:
        told = [f"{name} {', '.join(map(repr, keys))}" for name, keys in (("lacks", missing), ("has", unknown)) if keys]
        raise InvalidReply(f"the object {' and '.join(told)}; its keys must be {', '.join(form.keys)}")
    return Verdict(
        reason=_read_reason(values["reason"]),
        ticks=tuple(_read_tick(name, values[name]) for name in form.tick_names),
        levels={scale.name: _read_level(scale, values[scale.name]) for scale in form.scales},
        expected=dict(expected or {}),
        n_tries=n_tries,
    )


def _read_object(text: str) -> dict[str, Any]:
    inner = text.strip()
    fenced = _FENCE.match(inner)  # a code fence is layout, not prose
    try:
        values = json.loads(fenced.group(1) if fenced else inner, object_pairs_hook=_without_doubles)
    except ValueError:
        if _REFUSALS.search(inner) and not inner.startswith("{"):
            raise RefusedReply(f"the judge declined: {_shown(inner)}") from None
        raise InvalidReply(f"not one JSON object and nothing else: {_shown(inner)}") from None
    if not isinstance(values, dict):
        raise InvalidReply(f"not a JSON object: {_shown(inner)}")
    return values


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise InvalidReply("a key stands in the object twice")
    return values


def _read_reason(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidReply(f"reason must be a string, got {value!r}")
    if len(value) > MAX_REASON_CHARACTERS:
        raise InvalidReply(f"reason has {len(value)} characters; at most {MAX_REASON_CHARACTERS}")
    own_words = [letter for letter in _QUOTED.sub("", value) if letter.isalpha()]
    n_latin = sum(letter < "\u0250" for letter in own_words)
    if own_words and n_latin < len(own_words) / 2:
        raise InvalidReply(f"reason must be in English, got {_shown(value)}")
    return value


def _read_tick(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidReply(f"{name} must be true or false, got {value!r}")
    return value


def _read_level(scale: Scale, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in scale.levels:
        raise InvalidReply(f"{scale.name} must be a whole number from {scale.low} to {scale.high}, got {value!r}")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
