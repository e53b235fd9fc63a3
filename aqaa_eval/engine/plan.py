"""From a spec and its suites to the list of jobs: one conversation, put to the model once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from aqaa_eval.core.notrun import NotRun
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


def find_not_run(spec: RunSpec, suites: Sequence[Suite]) -> list[NotRun]:
    """What the suites hold and cannot be asked, as far as the spec's limit reaches."""
    return [item for suite in suites for item in suite.not_run if spec.limit is None or item.n_before < spec.limit]
