"""From a spec and its suites to the list of jobs: one conversation, put to the model once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.protocols import Suite
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import Sample
from aqaa_eval.core.shard import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One conversation to be answered once."""

    sample: Sample
    repeat: int

    @property
    def key(self) -> str:
        """Unique in the run: "gaming/g03" or "gaming/g03@1"."""
        return self.sample.key + (f"@{self.repeat}" if self.repeat else "")


def make_plan(spec: RunSpec, suites: Sequence[Suite], shard: Shard | None = None) -> list[Job]:
    """All jobs of a run or of one shard of it, suite by suite, repeats of a conversation next to each other."""
    return [
        Job(sample=sample, repeat=repeat)
        for index, sample in enumerate(_samples(spec, suites))
        if shard is None or shard.takes(index)
        for repeat in range(spec.repeats)
    ]


def count_plan(spec: RunSpec, suites: Sequence[Suite]) -> int:
    """How many jobs the whole run has."""
    return sum(1 for _ in _samples(spec, suites)) * spec.repeats


def _samples(spec: RunSpec, suites: Sequence[Suite]) -> Iterator[Sample]:
    return chain.from_iterable(islice(suite.samples(), spec.limit) for suite in suites)


def find_not_run(spec: RunSpec, suites: Sequence[Suite], shard: Shard | None = None) -> list[NotRun]:
    """What the suites hold and cannot be asked, as far as the spec's limit reaches; of one shard its part."""
    found = [item for suite in suites for item in suite.not_run if spec.limit is None or item.n_before < spec.limit]
    return [item for index, item in enumerate(found) if shard is None or shard.takes(index)]
