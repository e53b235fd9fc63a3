from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from aqaa_eval.metrics.effects import Comparison, Effect, Verdict, decide, effects_of, exact_mcnemar

PAIR = Comparison(arm="new", against="old")


def two_arms(*, n: int, effect: float, noise: float = 0.6, seed: int) -> dict[str, dict[str, float]]:
    """Conversations that differ much from each other, and an effect with noise of its own in each."""
    generator = np.random.default_rng(seed)
    hardness, change = generator.normal(3, 1, n), generator.normal(effect, noise, n)
    return {
        "old": {f"c{i}": float(value) for i, value in enumerate(hardness)},
        "new": {f"c{i}": float(value) for i, value in enumerate(hardness + change)},
    }


def one_effect(*, is_binary: bool = False, **arms: float) -> Effect:
    return effects_of(two_arms(**arms), [PAIR], is_binary=is_binary)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [12, 40])
def test_the_interval_covers_the_true_effect_in_95_of_100_repeats(n: int) -> None:
    n_repeats = 300
    covered = 0
    for seed in range(n_repeats):
        difference = one_effect(n=n, effect=0.3, seed=seed).difference
        assert difference.low is not None
        assert difference.high is not None
        covered += difference.low <= 0.3 <= difference.high
    assert 0.93 <= covered / n_repeats <= 0.97


def a_a_arms(*, n: int, seed: int, n_arms: int = 4, is_binary: bool = False) -> dict[str, dict[str, float]]:
    """One model under several names: its conversations differ, its arms only by chance."""
    generator = np.random.default_rng(seed)
    easy = generator.uniform(0.2, 0.9, n)
    values = generator.random((n_arms, n)) < easy if is_binary else generator.normal(easy, 0.3, (n_arms, n))
    return {f"arm{k}": {f"c{i}": float(value) for i, value in enumerate(row)} for k, row in enumerate(values)}


@pytest.mark.parametrize("is_binary", [False, True])
def test_an_a_a_ablation_calls_a_difference_in_at_most_5_of_100(is_binary: bool) -> None:
    n_repeats = 300
    comparisons = [Comparison(arm=f"arm{k}", against="arm0") for k in (1, 2, 3)]
    called = sum(
        any(effect.is_clear for effect in effects_of(arms, comparisons, is_binary=is_binary))
        for arms in (a_a_arms(n=30, seed=seed, is_binary=is_binary) for seed in range(n_repeats))
    )
    assert called / n_repeats <= 0.05


def test_a_large_effect_is_told_beside_other_arms() -> None:
    arms = two_arms(n=30, effect=0.8, seed=1) | {"same": two_arms(n=30, effect=0.8, seed=1)["old"]}
    new, same = effects_of(arms, [PAIR, Comparison(arm="same", against="old")])
    assert new.is_clear
    assert not same.is_clear
    assert new.p_holm == pytest.approx(min(1.0, 2 * new.p))


def test_only_conversations_that_both_arms_have_count() -> None:
    arms = {"new": {"a": 1.0, "b": 5.0}, "old": {"a": 2.0, "c": 0.0}}
    [effect] = effects_of(arms, [PAIR])
    assert (effect.arm_mean, effect.against_mean, effect.difference.value) == (1.0, 2.0, -1.0)
    assert effect.difference.n_clusters == 1


def test_an_arm_that_did_not_run_has_no_effect_and_makes_no_other_test_stricter() -> None:
    arms = two_arms(n=20, effect=0.5, seed=3)
    alone = effects_of(arms, [PAIR])[0]
    beside, missing = effects_of(arms, [PAIR, Comparison(arm="gone", against="old")])
    assert beside.p_holm == alone.p_holm
    assert missing.difference.value is None


@pytest.mark.parametrize(("up", "down"), [(1, 0), (5, 1), (9, 4), (12, 12), (30, 11)])
def test_mcnemar_is_the_binomial_test_of_the_changes(up: int, down: int) -> None:
    assert exact_mcnemar(up, down) == pytest.approx(binomtest(up, up + down, 0.5).pvalue)


def test_claims_are_reproduced_refuted_or_left_open() -> None:
    def verdict(n: int, effect: float, *, higher: bool = True) -> Verdict:
        return decide(
            one_effect(n=n, effect=effect, seed=5), smallest=0.2, higher_is_better=higher, n_comparisons=1
        ).verdict

    assert verdict(60, 0.6) is Verdict.REPRODUCED
    assert verdict(60, -0.6) is Verdict.NOT_REPRODUCED
    assert verdict(60, -0.6, higher=False) is Verdict.REPRODUCED
    assert verdict(6, 0.1) is Verdict.UNDECIDED


def test_an_open_claim_says_how_many_more_conversations_decide_it_and_that_many_do() -> None:
    few = one_effect(n=10, effect=0.25, seed=9)
    open_ = decide(few, smallest=0.2, higher_is_better=True, n_comparisons=1)
    assert open_.verdict is Verdict.UNDECIDED
    assert open_.n_more is not None
    assert few.difference.value is not None
    assert few.sd is not None
    n, effect, sd = 10 + open_.n_more, few.difference.value, few.sd
    verdicts = [
        decide(
            one_effect(n=n, effect=effect, noise=sd, seed=seed), smallest=0.2, higher_is_better=True, n_comparisons=1
        )
        for seed in range(100)
    ]
    assert sum(found.verdict is not Verdict.UNDECIDED for found in verdicts) >= 70


def test_arms_that_came_out_alike_everywhere_decide_nothing() -> None:
    arms = {"new": dict.fromkeys("abcdef", 1.0), "old": dict.fromkeys("abcdef", 1.0)}
    decision = decide(effects_of(arms, [PAIR])[0], smallest=0.2, higher_is_better=True, n_comparisons=1)
    assert (decision.verdict, decision.n_more) == (Verdict.UNDECIDED, None)
