"""The card of a suite: what it measures and by which rule. Authors edit it as YAML, so it is checked here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from aqaa_eval.core.visible import CONTROLS

PARTS = ("content", "delivery", "speech")


class Card(BaseModel):
    """Metadata of one suite.

    Attributes:
        weights: the fused MOS is the mean of the parts' MOS with these weights, over the parts that the sample has
            checks for; a part that should have a value and has none leaves the fused MOS unscored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    measures: str
    languages: tuple[str, ...] = Field(min_length=1)
    weights: dict[str, float]
    scoring: str
    licence: str
    source: str
    version: str

    @field_validator("title", "measures", "languages", "scoring", "licence", "source", "version", mode="after")
    @classmethod
    def _is_plain_text(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        # These are printed on terminals and stand in pages and logs.
        for text in (value,) if isinstance(value, str) else value:
            if CONTROLS.search(text.replace("\n", " ")):
                raise ValueError(f"{text[:80]!r} holds control characters; take them out")
        return value

    @model_validator(mode="after")
    def _weights_are_a_mean(self) -> Card:
        unknown = sorted(set(self.weights) - set(PARTS))
        if unknown:
            raise ValueError(f"weights: unknown part {unknown[0]!r}; parts are {', '.join(PARTS)}")
        total = sum(self.weights.values())
        if not (abs(total - 1.0) <= 1e-6 and min(self.weights.values()) >= 0):  # NaN is neither
            raise ValueError(f"weights must be at least 0 and add up to 1, they add up to {total:g}")
        return self
