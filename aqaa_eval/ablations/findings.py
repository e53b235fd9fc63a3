"""From values by measure, arm and conversation to effects and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aqaa_eval.ablations.design import Design
from aqaa_eval.ablations.measures import Values
from aqaa_eval.core.attempt import Estimate
from aqaa_eval.metrics.effects import Comparison, Decision, Effect, Verdict, decide, effects_of, turned
from aqaa_eval.metrics.uncertainty import mean_estimate
from aqaa_eval.reports.ablation import ArmResult, Claim, ClaimResult, Findings, Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured.

    Attributes:
        values: by measure and arm.
        places: run folder or weights of each arm, relative to the ablation's folder.
        suites: MOS by arm and title of the suite.
        notes: what came up while measuring.
        is_complete: whether nothing is left to be done.
    """

    values: Mapping[str, Mapping[str, Values]]
    places: Mapping[str, str] = field(default_factory=dict)
    suites: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_complete: bool = True


def join(one: Measured, other: Measured) -> Measured:
    """Both, where arms were measured in two ways; measures differ."""
    return Measured(
        values={**one.values, **other.values},
        places={**other.places, **one.places},
        suites={**other.suites, **one.suites},
        notes=(*one.notes, *other.notes),
        is_complete=one.is_complete and other.is_complete,
    )


def find(design: Design, measured: Measured, *, seed: int = 0) -> Findings:
    """Reduce what was measured to effects with intervals and verdicts."""
    effects = {
        measure.key: effects_of(
            measured.values.get(measure.key, {}), design.comparisons, is_binary=_is_binary(measure, measured), seed=seed
        )
        for measure in design.measures
    }
    return Findings(
        name=design.name,
        title=design.title,
        question=design.question,
        measures=design.measures,
        arms=tuple(_arm(arm.name, arm.title, design, measured, seed) for arm in design.arms),
        effects=effects,
        claims=tuple(_decided(claim, design, effects) for claim in design.claims),
        published=design.published,
        missing=design.missing,
        notes=(*design.notes, *measured.notes),
        seed=seed,
        is_complete=measured.is_complete,
    )


def _is_binary(measure: Measure, measured: Measured) -> bool:
    """Whether McNemar's test holds: repeats of a conversation are averaged, and their mean is no verdict."""
    values = {value for arm in measured.values.get(measure.key, {}).values() for value in arm.values()}
    return measure.is_binary and values <= {0.0, 1.0}


def _arm(name: str, title: str, design: Design, measured: Measured, seed: int) -> ArmResult:
    own = {measure.key: measured.values.get(measure.key, {}).get(name, {}) for measure in design.measures}
    return ArmResult(
        name=name,
        title=title,
        place=measured.places.get(name, ""),
        n=len({key for values in own.values() for key in values}),
        estimates={
            key: mean_estimate({item: [value] for item, value in values.items()}, seed=seed)
            for key, values in own.items()
            if values
        },
        suites=measured.suites.get(name, {}) if design.has_radar else {},
    )


def _decided(claim: Claim, design: Design, effects: Mapping[str, tuple[Effect, ...]]) -> ClaimResult:
    measure = next(measure for measure in design.measures if measure.key == claim.measure)
    found = effects[claim.measure]
    wanted = Comparison(arm=claim.better, against=claim.worse)
    effect = next(
        (_turned(each, wanted) for each in found if {each.arm, each.against} == {wanted.arm, wanted.against}), None
    )
    if effect is None:
        nothing = Estimate(value=None, low=None, high=None, n=0, n_clusters=0, unscored=0, failed=0)
        decision = Decision(verdict=Verdict.NOT_MEASURED, gain=nothing, n=0, n_more=None)
    else:
        n_tests = max(1, sum(each.difference.value is not None for each in found))
        decision = decide(
            effect, smallest=measure.smallest, higher_is_better=measure.higher_is_better, n_comparisons=n_tests
        )
    return ClaimResult(claim=claim, decision=decision)


def _turned(effect: Effect, wanted: Comparison) -> Effect:
    """The effect with the wanted arm first."""
    if effect.arm == wanted.arm:
        return effect
    return replace(
        effect,
        arm=effect.against,
        against=effect.arm,
        arm_mean=effect.against_mean,
        against_mean=effect.arm_mean,
        difference=turned(effect.difference),
        n_up=effect.n_down,
        n_down=effect.n_up,
    )
