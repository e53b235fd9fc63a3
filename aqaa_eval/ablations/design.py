"""What an ablation is: arms, which are held against which, what is measured, what is claimed, what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aqaa_eval.core.runspec import RunSpec
from aqaa_eval.metrics.effects import Comparison
from aqaa_eval.reports.ablation import Claim, Measure, PublishedTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way of doing it.

    Attributes:
        name: short, unique, fit for a folder.
        title: as people read it.
        spec: the run of it; None for an arm that answers no conversation.
    """

    name: str
    title: str
    spec: RunSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One ablation before it is run.

    Attributes:
        name: as on the command line.
        title: as people read it.
        question: what is asked, in a sentence.
        arms: those that can run.
        comparisons: which arms are held against which.
        measures: in the order of the columns.
        claims: what the data shall decide.
        published: one table per source.
        missing: arms that cannot run, with reasons.
        notes: what a reader must know.
        has_radar: whether the arms are shown by suite, too, in a table and over each other in a radar.
    """

    name: str
    title: str
    question: str
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    measures: tuple[Measure, ...]
    claims: tuple[Claim, ...] = ()
    published: tuple[PublishedTable, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    has_radar: bool = False

    @property
    def runs(self) -> list[tuple[str, RunSpec]]:
        """The arms that answer conversations, with the run of each."""
        return [(arm.name, arm.spec) for arm in self.arms if arm.spec is not None]


def against_first(names: Sequence[str]) -> tuple[Comparison, ...]:
    """Every later arm against the first.

    >>> [comparison.arm for comparison in against_first(["a", "b", "c"])]
    ['b', 'c']
    """
    return tuple(Comparison(arm=name, against=names[0]) for name in names[1:])


def with_claims(comparisons: Sequence[Comparison], claims: Sequence[Claim]) -> tuple[Comparison, ...]:
    """The comparisons, and those that a claim needs and that are not among them in either direction."""
    pairs = {frozenset((each.arm, each.against)): each for each in comparisons}
    for claim in claims:
        pairs.setdefault(frozenset((claim.better, claim.worse)), Comparison(arm=claim.better, against=claim.worse))
    return tuple(pairs.values())
