"""Figures that others published, to be drawn beside a run: never measured here, and always marked as such."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MARK = "published, other raters"
"""Stands wherever one of these figures does."""

SOURCE = (
    "'Step-Audio-AQAA: The First True End-to-End Voice Interaction Model Explained', Efficient Coder "
    "(the paper, arXiv 2506.08967, prints the same radar without numbers); human MOS 1 to 5 per capability of "
    "StepEval-Audio-360; raters, instructions and intervals are not given"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published row: other raters, other questions and no intervals, so no comparison beyond the eye.

    Attributes:
        model: name of the model as published.
        mos: mean opinion score 1 to 5 by suite id.
        source: where it stands.
    """

    model: str
    mos: Mapping[str, float]
    source: str = SOURCE
    mark: str = MARK


CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "voice_control": "Voice Control",
        "creativity": "Creativity",
        "language_ability": "Language Ability",
        "gaming": "Gaming",
        "role_play": "Role-Play",
        "logical_reasoning": "Logical Reasoning",
        "voice_understanding": "Voice Understanding",
        "singing": "Singing",
        "instruction_following": "Instruction Following",
    }
)
"""The nine capabilities: suite id and the name under which the figures were published."""


def _row(model: str, *mos: float) -> Published:
    return Published(model=model, mos=MappingProxyType(dict(zip(CAPABILITIES, mos, strict=True))))


PUBLISHED = (
    _row("Step-Audio-AQAA", 4.7, 4.5, 4.6, 4.3, 4.4, 4.2, 4.1, 3.8, 3.6),
    _row("Kimi-Audio", 4.1, 4.0, 4.2, 3.9, 4.0, 3.8, 3.9, 4.2, 3.9),
    _row("Qwen-Omni", 4.3, 4.2, 4.3, 4.0, 4.1, 4.0, 4.0, 4.0, 4.1),
)
"""In the order of `CAPABILITIES`."""
