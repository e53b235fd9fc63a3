"""Agreement against worked examples, outside oracles, and what must hold for any ratings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqaa_eval.metrics import agreement
from aqaa_eval.metrics.agreement import Rated, alpha_of_two, alpha_ordinal, difference, estimate
from aqaa_eval.metrics.monotone import MonotoneCurve, cross_validated, fit_curve

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section D: four observers, twelve units.
_OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
UNITS = [[int(row[unit]) for row in _OBSERVERS if row[unit] != "."] for unit in range(12)]
LEVELS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=3, max_size=40)


def sides(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(pairs, np.float64)
    return values[:, 0], values[:, 1]


def test_alpha_is_that_of_krippendorffs_own_example() -> None:
    found = alpha_ordinal(UNITS)
    assert found is not None
    assert round(found, 3) == 0.815


def test_alpha_worked_by_hand() -> None:
    # Ratings (1,1), (1,2), (2,2): totals 3 and 3, one step apart, so the distance is 3 squared = 9 everywhere.
    # Observed: two unequal pairs of six values; expected: 3*3*2/5 unequal pairs. 1 - 2 / 3.6.
    found = alpha_ordinal([[1, 1], [1, 2], [2, 2]])
    assert found == pytest.approx(1 - 2 / 3.6)


def test_alpha_is_undefined_where_all_values_are_one_and_ignores_units_rated_once() -> None:
    assert alpha_ordinal([[3, 3], [3, 3]]) is None
    assert alpha_ordinal([]) is None
    assert alpha_ordinal([[1, 1], [4, 4], [2]]) == alpha_ordinal([[1, 1], [4, 4]])


@given(LEVELS)
def test_kappa_is_that_of_the_weighted_table(pairs: list[tuple[int, int]]) -> None:
    judge, people = sides(pairs)
    table = np.zeros((5, 5))
    for left, right in pairs:
        table[left - 1, right - 1] += 1
    weights = (np.arange(5)[:, None] - np.arange(5)[None, :]) ** 2
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    expected = (weights * chance).sum()
    found = agreement.quadratic_kappa(judge, people)
    if expected == 0:
        assert found is None
    else:
        assert found == pytest.approx(1 - (weights * table).sum() / expected)


@given(LEVELS)
def test_spearman_and_kendall_are_scipys(pairs: list[tuple[int, int]]) -> None:
    from scipy import stats

    judge, people = sides(pairs)
    if len(set(judge)) < 2 or len(set(people)) < 2:
        assert agreement.spearman(judge, people) is None
        assert agreement.kendall(judge, people) is None
        return
    assert agreement.spearman(judge, people) == pytest.approx(stats.spearmanr(judge, people).statistic, abs=1e-9)
    assert agreement.kendall(judge, people) == pytest.approx(stats.kendalltau(judge, people).statistic)


@given(LEVELS)
def test_agreement_with_oneself_is_full_wherever_it_is_defined(pairs: list[tuple[int, int]]) -> None:
    judge, _ = sides(pairs)
    assert agreement.mean_bias(judge, judge) == 0
    whole = ("spearman", "kendall", "kappa", "pairwise")
    assert all(agreement.MEASURES[name](judge, judge) in (None, pytest.approx(1.0)) for name in whole)
    assert alpha_of_two(judge, judge) in (None, pytest.approx(1.0))


def test_pairs_that_people_tie_do_not_count_and_a_tie_of_the_judge_counts_half() -> None:
    judge, people = np.array([1.0, 1.0, 5.0]), np.array([1.0, 2.0, 2.0])
    # The second and third are tied by people; (1, 2) is tied by the judge, (1, 3) is ordered rightly.
    assert agreement.pairwise_accuracy(judge, people) == 0.75
    assert agreement.pairwise_accuracy(judge, np.ones(3)) is None


def test_a_value_off_the_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit the scale 1 to 5"):
        agreement.quadratic_kappa(np.array([0.0, 2.0]), np.array([1.0, 2.0]))


def ratings(n: int, *, noise: float, per_cluster: int = 1, seed: int = 0) -> list[Rated]:
    rng = np.random.default_rng(seed)
    people = rng.integers(1, 6, n).astype(float)
    judge = np.clip(people + noise * rng.standard_normal(n), 1, 5)
    return [
        Rated(cluster=f"c{place // per_cluster:03d}", judge=float(judge[place]), people=float(people[place]))
        for place in range(n)
    ]


def test_intervals_hold_the_value_shrink_with_conversations_and_do_not_depend_on_the_order() -> None:
    few, many = ratings(20, noise=1.0), ratings(200, noise=1.0)
    small, large = (estimate(items, agreement.spearman, n_resamples=300) for items in (few, many))
    assert small.low is not None
    assert small.high is not None
    assert large.low is not None
    assert large.high is not None
    assert small.low <= small.value <= small.high
    assert large.high - large.low < small.high - small.low
    assert estimate(few[::-1], agreement.spearman, n_resamples=300) == small


def test_the_conversation_is_the_unit_not_the_rating() -> None:
    one = ratings(30, noise=1.0)
    # The same ratings ten times over, within the same conversations, are no more evidence.
    tenfold = [item for item in one for _ in range(10)]
    lone, copied = (estimate(items, agreement.mean_bias, n_resamples=500) for items in (one, tenfold))
    assert copied.n_clusters == lone.n_clusters == 30
    assert lone.low is not None
    assert copied.low == pytest.approx(lone.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(100):
        items = ratings(40, noise=0.5, seed=seed)
        biased = [Rated(cluster=item.cluster, judge=item.judge + 0.0, people=item.people) for item in items]
        rng = np.random.default_rng(1000 + seed)
        shifted = [
            Rated(cluster=item.cluster, judge=3 + float(rng.standard_normal()) * 0.3, people=3.0) for item in biased
        ]
        found = estimate(shifted, agreement.mean_bias, n_resamples=300, seed=seed)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high
    assert 88 <= covered <= 100


def test_without_two_conversations_there_is_a_value_and_no_interval() -> None:
    items = [Rated(cluster="a", judge=1, people=1), Rated(cluster="a", judge=5, people=4)]
    found = estimate(items, agreement.spearman)
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert estimate([], agreement.spearman).value is None


def test_a_better_judge_is_told_from_a_worse_one_on_the_same_conversations() -> None:
    good, bad = ratings(80, noise=0.3), ratings(80, noise=3.0)
    found = difference(good, bad, agreement.spearman, n_resamples=300)
    assert found.low is not None
    assert found.low > 0
    with pytest.raises(ValueError, match="different conversations"):
        difference(good, bad[:10], agreement.spearman)


def test_a_curve_mends_a_judge_that_is_kind_and_uses_half_the_scale() -> None:
    kind = [
        Rated(cluster=item.cluster, judge=3 + item.judge * 0.4, people=item.people) for item in ratings(150, noise=0.4)
    ]
    mapped = cross_validated(kind)
    before, after = (estimate(items, agreement.quadratic_kappa, n_resamples=50).value for items in (kind, mapped))
    assert before is not None
    assert after is not None
    assert after > before + 0.3
    bias = estimate(mapped, agreement.mean_bias, n_resamples=50).value
    assert bias == pytest.approx(0.0, abs=0.1)


def test_a_curve_does_not_turn_noise_into_agreement() -> None:
    rng = np.random.default_rng(1)
    noise = [
        Rated(cluster=f"c{n}", judge=float(rng.uniform(1, 5)), people=float(rng.integers(1, 6))) for n in range(200)
    ]
    found = estimate(cross_validated(noise), agreement.quadratic_kappa, n_resamples=100).value
    assert found is not None
    assert abs(found) < 0.1


@given(st.lists(st.tuples(st.floats(1, 5), st.integers(1, 5)), min_size=1, max_size=30))
def test_a_fitted_curve_never_falls_and_stays_on_the_scale(pairs: list[tuple[float, int]]) -> None:
    curve = fit_curve([Rated(cluster=str(n), judge=left, people=right) for n, (left, right) in enumerate(pairs)])
    values = [curve(x) for x in np.linspace(0, 6, 40)]
    assert all(b >= a for a, b in itertools.pairwise(values))
    assert 1 <= values[0] <= values[-1] <= 5 + 1e-9


def test_a_curve_that_falls_or_has_too_few_conversations_is_refused() -> None:
    with pytest.raises(ValueError, match="must not fall"):
        MonotoneCurve(judge=(1.0, 2.0), people=(3.0, 2.0))
    with pytest.raises(ValueError, match="too few"):
        cross_validated(ratings(9, noise=1.0))
