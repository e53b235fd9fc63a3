"""What the performing fakes need: the good answers of the suites of a run, and the voice that performs them.

Suites and adapters do not know each other, so what both give meets here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aqaa_eval.adapters.fake import FakeModel, build
from aqaa_eval.adapters.fake_performed import Line, Stage, line_of
from aqaa_eval.core.audio import Audio
from aqaa_eval.core.errors import UsageError
from aqaa_eval.core.performance import Phrase
from aqaa_eval.core.protocols import Suite
from aqaa_eval.core.runspec import OptionValue


def build_performing(kind: str, options: Mapping[str, OptionValue], *, suites: Iterable[Suite], seed: int) -> FakeModel:
    """Make `fake:oracle` or `fake:random` for the suites of a run.

    Args:
        kind: "oracle" or "random".
        options: there are none.
        suites: where good answers are taken from.
        seed: the run's.

    Raises:
        UsageError: an answer is in a language without a voice, or the voice is not installed; the message names every
            command that is needed.
    """
    lines = lines_of(suites)
    _refuse_missing(kind, lines)
    from aqaa_eval.tasks.speaking.performer import VERSION

    stage = Stage(lines=lines, perform=_perform, voice=f"performer-{VERSION}", seed=seed)
    return build(kind, options, stage=stage)


def lines_of(suites: Iterable[Suite]) -> dict[str, Line]:
    """Good answers by the key of their turn; turns without one are left out."""
    found = {
        f"{sample.key}#{index}": line_of(turn)
        for suite in suites
        for sample in suite.samples()
        for index, turn in enumerate(sample.turns)
    }
    return {key: line for key, line in found.items() if line is not None}


def _refuse_missing(kind: str, lines: Mapping[str, Line]) -> None:
    from aqaa_eval.tasks.speaking.performer import missing_for

    languages = {phrase.language or line.language for line in lines.values() for phrase in line.phrases}
    lacking = missing_for(languages)
    if lacking:
        spoken = ", ".join(sorted(languages))
        raise UsageError(f"fake:{kind} performs answers in {spoken} and needs: {'; '.join(lacking)}")


def _perform(phrases: Sequence[Phrase], language: str) -> Audio:
    from aqaa_eval.tasks.speaking.performer import perform

    return perform(phrases, language=language)
