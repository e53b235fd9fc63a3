"""Answers of known worth, graded beside every batch that a server judges: does the judge still grade as it did?

A server's model may change behind its name. So each command that buys verdicts from a server also has the anchors of
`anchors.jsonl` graded, at the same time and by the same way, never from the cache. What came out is kept in the run's
`anchors.jsonl`, one line per command and judge. There is an alarm if the grades have moved against the run's first line
of that judge, or if they are far from what is known of the anchors. A model on this machine is named by the hash of its
weights and cannot move, so it is spared them.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from aqaa_eval.core.errors import DataError
from aqaa_eval.core.sample import Turn
from aqaa_eval.judges.asker import Asker
from aqaa_eval.judges.case import Case, CaseTurn
from aqaa_eval.judges.prompt import Prompt, build_prompt
from aqaa_eval.judges.rubric import load_rubric
from aqaa_eval.judges.verdict import Scale, Verdict
from aqaa_eval.metrics.agreement import spearman
from aqaa_eval.metrics.paired import PairedBootstrap

SCALE = "content"
MIN_ANCHORS = 10
"""Fewer grades than these say nothing."""
MOVED_MEAN, MOVED_EACH = 0.2, 0.5
"""Levels: an alarm if the mean moves by the first and surely so, or if grades move by the second on average."""
KNOWN_SPEARMAN, KNOWN_BIAS = 0.6, 1.0
"""An alarm if the judge orders the anchors worse than the first, or is further off than the second."""


class Anchor(BaseModel):
    """One answer of known worth.

    Attributes:
        level: what it deserves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    suite: str
    question: str
    reference: str
    answer: str
    level: int

    def prompt(self) -> tuple[Prompt, Scale]:
        """As a judge gets it, with the scale."""
        asked = Turn(audio=None, text=self.question, language="en", answer_language="en", reference=self.reference)
        said = CaseTurn(asked=asked, answer=self.answer, missing="", measured="", uncertain=(), flags=(), failure=None)
        rubric = load_rubric(self.suite)
        scale = next(scale for scale in rubric.scales if scale.name == SCALE)
        return build_prompt(Case(suite=self.suite, turns=(said,)), rubric, (scale,)), scale


class Graded(BaseModel):
    """The anchors as one judge graded them in one command: a line of the run's file.

    Attributes:
        judge: identity of the model and its settings.
        levels: by anchor; one without a verdict is not there.
        notes: alarms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str
    levels: dict[str, float]
    notes: tuple[str, ...] = ()


@cache
def bundled_anchors() -> tuple[Anchor, ...]:
    """All anchors."""
    text = (files("aqaa_eval.judges") / "anchors.jsonl").read_text(encoding="utf-8")
    return tuple(Anchor.model_validate_json(line) for line in text.splitlines())


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a judge does on the anchors.

    Attributes:
        name: of the judge.
        spearman: against what is known; None if it gives everything one level.
        bias: mean of its grades minus what is known.
    """

    name: str
    n: int
    spearman: float | None
    bias: float

    def describe(self) -> str:
        """In a line.

        >>> Standing(name="openai:m", n=20, spearman=0.912, bias=-0.25).describe()
        'anchors: openai:m grades 20 known answers, Spearman 0.91, 0.25 levels too low'
        """
        order = "always the same grade" if self.spearman is None else f"Spearman {self.spearman:.2f}"
        side = "too high" if self.bias >= 0 else "too low"
        return f"anchors: {self.name} grades {self.n} known answers, {order}, {abs(self.bias):.2f} levels {side}"


def stand(name: str, levels: Mapping[str, float], anchors: Sequence[Anchor]) -> Standing | None:
    """Hold grades against what is known; None for too few."""
    pairs = np.array([(levels[a.id], a.level) for a in anchors if a.id in levels], np.float64).reshape(-1, 2)
    if len(pairs) < MIN_ANCHORS:
        return None
    bias = float((pairs[:, 0] - pairs[:, 1]).mean())
    return Standing(name=name, n=len(pairs), spearman=spearman(pairs[:, 0], pairs[:, 1]), bias=bias)


def alarms(
    name: str, now: Mapping[str, float], before: Mapping[str, float] | None, known: Standing | None
) -> list[str]:
    """What is to be told of a judge's grades; nothing if all is as it was.

    >>> steady = {str(n): 3.0 for n in range(12)}
    >>> known = Standing(name="j", n=12, spearman=0.9, bias=0.1)
    >>> alarms("j", steady, steady, known)
    []
    """
    told = []
    if known is None:
        told.append(f"anchors: {name} gave {len(now)} grades only, too few to say whether it still grades as it did")
    elif known.spearman is None or known.spearman < KNOWN_SPEARMAN or abs(known.bias) > KNOWN_BIAS:
        told.append(f"{known.describe()}: its scores should not be believed before it was calibrated")
    shared = {key: now[key] - before[key] for key in sorted(now) if key in before} if before else {}
    if len(shared) >= MIN_ANCHORS:
        moved = PairedBootstrap(shared).estimate
        assert moved.value is not None
        assert moved.low is not None
        assert moved.high is not None
        each = float(np.mean([abs(value) for value in shared.values()]))
        is_sure = not moved.low <= 0 <= moved.high and abs(moved.value) >= MOVED_MEAN
        if is_sure or each >= MOVED_EACH:
            told.append(
                f"anchors: DRIFT of {name}: its grades of the same {len(shared)} answers moved by {moved.value:+.2f} "
                f"levels ({moved.low:+.2f} to {moved.high:+.2f}), {each:.2f} each, since this run was first judged; "
                "what it graded then and now is not comparable"
            )
    return told


class AnchorWatch:
    """Has the anchors graded once per command, beside what is judged. Used on one event loop."""

    def __init__(self, askers: Sequence[Asker], file: Path) -> None:
        """Make it.

        Args:
            askers: of servers, without a cache.
            file: the run's lines.

        Raises:
            DataError: the file is damaged.
        """
        self._askers = tuple(askers)
        self._file = file
        self._first = _first_lines(file)
        self._task: asyncio.Task[list[str]] | None = None

    def start(self) -> None:
        """Begin, if it has not begun; called on the loop."""
        if self._task is None and self._askers:
            self._task = asyncio.ensure_future(self._watch())

    async def finish(self) -> list[str]:
        """What there is to tell; empty if nothing was begun."""
        return await self._task if self._task is not None else []

    async def _watch(self) -> list[str]:
        told: list[str] = []
        for found in await asyncio.gather(*(self._grade(asker) for asker in self._askers)):
            told += found
        return told

    async def _grade(self, asker: Asker) -> list[str]:
        anchors = bundled_anchors()
        asked = [anchor.prompt() for anchor in anchors]
        outcomes = await asyncio.gather(*(asker.ask(prompt) for prompt, _ in asked))
        levels = {
            anchor.id: outcome.value(scale)
            for anchor, (_, scale), outcome in zip(anchors, asked, outcomes, strict=True)
            if isinstance(outcome, Verdict)
        }
        known = stand(asker.name, levels, anchors)
        notes = alarms(asker.name, levels, self._first.get(asker.identity), known)
        self._append(Graded(judge=asker.identity, levels=levels, notes=tuple(notes)))
        return notes or ([known.describe()] if known else [])

    def _append(self, graded: Graded) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(graded.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())


def _first_lines(file: Path) -> dict[str, dict[str, float]]:
    """The first grades of each judge that are enough to compare with."""
    if not file.exists():
        return {}
    found: dict[str, dict[str, float]] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            graded = Graded.model_validate(json.loads(line))
        except (ValueError, ValidationError) as error:
            raise DataError(f"{file}: line {number} is no line of anchors ({error}); move the file away") from error
        if len(graded.levels) >= MIN_ANCHORS:
            found.setdefault(graded.judge, graded.levels)
    return found
