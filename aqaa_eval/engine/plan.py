"""From a spec and its suites to the list of jobs: one conversation, put to the model once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from aqaa_eval.core.protocols import Suite
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One conversation to be answered once."""

    sample: Sample
    repeat: int

    @property
    def key(self) -> str:
        """Unique in the run: "gaming/g03" or "gaming/g03@1"."""
        return self.sample.key + (f"@{self.repeat}" if self.repeat else "")


def make_plan(spec: RunSpec, suites: Sequence[Suite]) -> list[Job]:
    """All jobs of a run, suite by suite, repeats of a conversation next to each other."""
    return [
        Job(sample=sample, repeat=repeat)
        for suite in suites
        for sample in islice(suite.samples(), spec.limit)
        for repeat in range(spec.repeats)
    ]
