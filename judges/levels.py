"""From the probabilities of a judge's words to a level between the levels.

A judge that says 4 while 5 was nearly as likely means more than 4. The mean of the levels, weighted by the probability
of each as the next token, ranks answers finer than the level said (G-Eval, arXiv 2303.16634), at no cost.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aqaa_eval.judges.verdict import ReplyForm, Scale

MIN_MASS = 0.5
"""Probability that the levels must hold together; below it the token is not where a level stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChoice:
    """One token of a reply, with the likeliest tokens in its place.

    Attributes:
        alternatives: (token, natural logarithm of its probability), the token itself among them.
    """

    text: str
    alternatives: tuple[tuple[str, float], ...]


def expected_level(scale: Scale, alternatives: Mapping[str, float] | Sequence[tuple[str, float]]) -> float | None:
    """Mean level, weighted by probability; None if the alternatives are not levels.

    >>> round(expected_level(Scale(name="content"), {"4": math.log(0.6), "5": math.log(0.3), "x": math.log(0.1)}), 3)
    4.333
    """
    pairs = alternatives.items() if isinstance(alternatives, Mapping) else alternatives
    mass = dict.fromkeys(scale.levels, 0.0)
    for text, log_probability in pairs:
        digit = text.strip()
        if digit.isdecimal() and digit.isascii() and int(digit) in mass:
            mass[int(digit)] += math.exp(log_probability)
    total = sum(mass.values())
    if total < MIN_MASS:
        return None
    return sum(level * share for level, share in mass.items()) / total


def expected_levels(text: str, tokens: Sequence[TokenChoice], form: ReplyForm) -> dict[str, float]:
    """Mean level of each scale whose place among the tokens can be told; an empty dictionary if none can.

    Args:
        text: a reply that was read as valid.
        tokens: its tokens in order; together they must be the text.
        form: what the reply holds.
    """
    if "".join(token.text for token in tokens) != text:
        return {}
    starts, position = [], 0
    for token in tokens:
        starts.append(position)
        position += len(token.text)
    found = {}
    for scale in form.scales:
        # Within the reason a quote is escaped, so this is the key itself.
        match = re.search(rf'(?<!\\)"{scale.name}"\s*:\s*([0-9])', text)
        if match is None:
            continue
        at = match.start(1)
        index = max(number for number, start in enumerate(starts) if start <= at)
        token = tokens[index]
        if token.text.strip() != match.group(1):
            continue  # the level shares its token with punctuation: its alternatives cannot be read as levels
        level = expected_level(scale, token.alternatives)
        if level is not None:
            found[scale.name] = level
    return found
