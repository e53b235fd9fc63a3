"""A conversation that a suite holds and that no model was asked, with the reason: counted in every run and report."""

from __future__ import annotations

from dataclasses import dataclass

from aqaa_eval.core.visible import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRun:
    """One conversation that was not put to the model.

    Attributes:
        suite: id of its suite; of the source, where the conversation falls into none of its suites.
        sample: its id; "" where none could be read.
        place: where it is mended: file and line, or the recording.
        reason: what is wrong with it: the value, the rule and the way out.
        n_before: conversations in order that stand before it, so that `--limit` counts it only if it is reached.
    """

    suite: str
    sample: str
    place: str
    reason: str
    n_before: int = 0

    def __str__(self) -> str:
        """One line for a terminal.

        >>> str(NotRun(suite="gaming", sample="g03", place="gaming/samples.jsonl:3", reason="turns: is missing"))
        'gaming/samples.jsonl:3: g03: turns: is missing'
        """
        return visible(": ".join(part for part in (self.place, self.sample, self.reason) if part))
