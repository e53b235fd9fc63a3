"""What cannot be asked: told before a run, and with `--strict` a reason not to begin it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from aqaa_eval.core.errors import AudioError, DataError
from aqaa_eval.core.notrun import NotRun
from aqaa_eval.core.protocols import Suite
from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.core.sample import Sample

N_TOLD = 10


def tell_not_run(spec: RunSpec, suites: Sequence[Suite], *, strict: bool) -> None:
    """Say on stderr which conversations cannot be asked, as far as the spec's limit reaches.

    Args:
        spec: of the run.
        suites: of the run.
        strict: open every recording too, and refuse to begin.

    Raises:
        DataError: `strict`, and something cannot be asked; the message lists it.
    """
    from aqaa_eval.engine.plan import find_not_run, make_plan

    found = find_not_run(spec, suites)
    if strict:
        found += unheard(job.sample for job in make_plan(spec, suites) if job.repeat == 0)
    if not found:
        return
    lines = [f"  {item}" for item in found[:N_TOLD]]
    if len(found) > N_TOLD:
        lines.append(f"  and {len(found) - N_TOLD} more")
    told = f"{len(found)} conversations cannot be asked:\n" + "\n".join(lines)
    if strict:
        raise DataError(f"{told}\nMend them, or leave out --strict to run the rest")
    print(f"warning: {told}\nThe rest is run; the report counts them as not run", file=sys.stderr)


def unheard(samples: Iterable[Sample]) -> Iterator[NotRun]:
    """The conversations with a recording that cannot be read."""
    for sample in samples:
        for index, turn in enumerate(sample.turns):
            try:
                if turn.audio is not None:
                    turn.audio.load()
            except AudioError as error:
                place = f"turn {index + 1}"
                yield NotRun(suite=sample.suite, sample=sample.key, place=place, reason=str(error))
                break
